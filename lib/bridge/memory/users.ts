/** Live connections of each user, oldest first. */
export class Users {
  readonly #users = new Map<string, Set<string>>()

  /** Returns the oldest ones beyond the limit. They stay until they are disconnected, so a lost eviction is asked again. */
  connect (userId: string, connectionId: string, limit: number): string[] {
    let connections = this.#users.get(userId)
    if (connections === undefined) this.#users.set(userId, connections = new Set())
    connections.add(connectionId)
    return connections.size > limit ? Array.from(connections).slice(0, connections.size - limit) : []
  }

  disconnect (userId: string, connectionId: string): void {
    const connections = this.#users.get(userId)
    if (connections === undefined) return
    connections.delete(connectionId)
    if (connections.size === 0) this.#users.delete(userId)
  }

  close (): void {
    this.#users.clear()
  }
}
