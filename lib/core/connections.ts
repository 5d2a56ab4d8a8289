import type { Connection } from './connection.js'

/** The live connections of this node, by id and by user. */
export class Connections {
  readonly #byId = new Map<string, Connection>()
  readonly #byUser = new Map<string, Set<Connection>>()

  get size (): number {
    return this.#byId.size
  }

  /** Users with a connection here. */
  get users (): number {
    return this.#byUser.size
  }

  add (connection: Connection): void {
    this.#byId.set(connection.id, connection)
    const siblings = this.#byUser.get(connection.userId)
    if (siblings === undefined) this.#byUser.set(connection.userId, new Set([connection]))
    else siblings.add(connection)
  }

  remove (connection: Connection): void {
    this.#byId.delete(connection.id)
    const siblings = this.#byUser.get(connection.userId)
    siblings?.delete(connection)
    if (siblings?.size === 0) this.#byUser.delete(connection.userId)
  }

  get (id: string): Connection | undefined {
    return this.#byId.get(id)
  }

  /** A snapshot: the caller may close what it gets. */
  ofUser (userId: string): Connection[] {
    return [...this.#byUser.get(userId) ?? []]
  }

  hasUser (userId: string): boolean {
    return this.#byUser.has(userId)
  }

  all (): IterableIterator<Connection> {
    return this.#byId.values()
  }
}
