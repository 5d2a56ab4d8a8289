import { REMOVAL_WINDOW } from '../bridge/bridge.js'
import type { ControlCommand, NodeQuery } from '../bridge/bridge.js'
import type { Clock } from '../clock.js'
import { closeCodes } from '../protocol/close-codes.js'
import type { ConnectionInfo } from '../../types/realtime.js'
import type { RealtimeUser } from '../../types/user.js'
import type { Connection } from './connection.js'
import type { Connections } from './connections.js'
import type { Joiner } from './join.js'
import type { Receipts, ReceiptState } from './receipts.js'
import type { RoomMatch } from './room.js'
import type { Rooms } from './rooms.js'

/** What a node counts, which is summed over the cluster. Numbers only: asked often, and of nodes that hold very many. */
export interface NodeCounts {
  readonly activeConnections: number
  readonly messagesIn: number
  readonly messagesOut: number
  readonly envelopesDropped: number
  /** With a connection here. */
  readonly users: number
  /** With a member here. */
  readonly rooms: number
}

export type RenewOutcome = 'renewed' | 'other-user'

/** What a node answers to each command. `null`: not here. */
export interface CommandResults {
  'join-user': number
  'disconnect-user': number
  evict: number
  renew: RenewOutcome | null
}

/** What a node answers to each question. */
export interface QueryResults {
  connections: ConnectionInfo[]
  stats: NodeCounts
  rooms: string[]
  receipts: ReceiptState
}

export interface CommandsOptions {
  readonly nodeId: string
  readonly clock: Clock
  readonly connections: Connections
  readonly rooms: Rooms
  readonly joiner: Joiner
  readonly receipts: Receipts
  counts (): NodeCounts
  roomIds (): Iterable<string>
  renewed (connection: Connection, user: RealtimeUser, expiresAt: number | null): Promise<void>
}

/** Does on this node what a node of the cluster wants of all. */
export class Commands {
  readonly #options: CommandsOptions

  constructor (options: CommandsOptions) {
    this.#options = options
  }

  /** @param age - ms since the command was given: this node may have been out of reach. */
  async carryOut (command: ControlCommand, age: number): Promise<CommandResults[ControlCommand['type']]> {
    const { connections } = this.#options
    switch (command.type) {
      case 'join-user':
        return await this.#joinUser(command.userId, command.roomId, age)
      case 'disconnect-user':
        return this.#close(connections.ofUser(command.userId), closeCodes.accessWithdrawn.code, command.reason)
      case 'evict': {
        const known = command.connectionIds.map((id) => connections.get(id)).filter((connection) => connection !== undefined)
        return this.#close(known, closeCodes.connectionLimit.code, 'too many connections')
      }
      case 'renew':
        return await this.renew(command.connectionId, command.user, command.expiresAt)
    }
  }

  async answer (query: NodeQuery): Promise<QueryResults[NodeQuery['type']]> {
    const { receipts, roomIds, counts } = this.#options
    switch (query.type) {
      case 'connections':
        return this.#list(query.userId, query.roomId, query.limit)
      case 'stats':
        return counts()
      case 'rooms': {
        const { after, limit } = query
        const names = [...roomIds()].filter((id) => after === undefined || id > after)
        return names.sort().slice(0, limit)
      }
      case 'receipts':
        return await receipts.collect(query.userId, query.position, query.timeout)
    }
  }

  /** Removals are known for a while only: an older command might put in again whom a later one has taken out. */
  async #joinUser (userId: string, roomId: string, age: number): Promise<number> {
    const { clock, connections, rooms } = this.#options
    const match = rooms.match(roomId)
    if (match === null || age >= REMOVAL_WINDOW) return 0
    const decidedAt = clock.now() - age
    const placed = await Promise.all(connections.ofUser(userId).map((connection) => this.#place(connection, match, decidedAt)))
    return placed.filter(Boolean).length
  }

  /**
   * In the connection's lane of the room, so that it cannot meet a join or leave of the client half-way. One that is not open
   * yet gets its place behind the welcome, and one with something under way in that room behind that. Neither is waited for,
   * since it may be just that which asks: an onConnect, or a hook of the room.
   */
  async #place (connection: Connection, match: RoomMatch, decidedAt: number): Promise<boolean> {
    if (connection.whenOpen(() => { void this.#place(connection, match, decidedAt) })) return true
    const place = (): Promise<boolean> => this.#options.joiner.place(connection, match, decidedAt).catch((err: unknown) => {
      connection.log.warn({ err }, 'realtime user could not be put into a room')
      return false
    })
    const { lanes } = connection
    if (lanes.busy(match.roomId)) {
      lanes.run(match.roomId, async () => { await place() })
      return true
    }
    return await new Promise((resolve) => { lanes.run(match.roomId, () => place().then(resolve)) })
  }

  #close (connections: readonly Connection[], code: number, reason: string): number {
    for (const connection of connections) connection.close(code, reason)
    return connections.length
  }

  /** `null`: the connection is not here. */
  async renew (connectionId: string, user: RealtimeUser, expiresAt: number | null): Promise<RenewOutcome | null> {
    const connection = this.#options.connections.get(connectionId)
    if (connection === undefined) return null
    if (connection.userId !== user.id) return 'other-user'
    await this.#options.renewed(connection, user, expiresAt)
    return 'renewed'
  }

  #list (userId: string | undefined, roomId: string | undefined, limit: number): ConnectionInfo[] {
    const { connections, nodeId } = this.#options
    const list: ConnectionInfo[] = []
    for (const connection of userId === undefined ? connections.all() : connections.ofUser(userId)) {
      if (list.length >= limit) break
      if (roomId !== undefined && !connection.memberships.has(roomId)) continue
      list.push({
        connectionId: connection.id,
        userId: connection.userId,
        nodeId,
        connectedAt: connection.connectedAt,
        rooms: [...connection.memberships.keys()]
      })
    }
    return list
  }
}
