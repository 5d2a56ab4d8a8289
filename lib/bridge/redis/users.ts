import type { Clock } from '../../clock.js'
import { userChannel } from '../bridge.js'
import type { ChannelName } from '../bridge.js'
import { userHolding } from './holdings.js'
import type { Holdings } from './holdings.js'
import { Lanes } from './holdings-lanes.js'
import type { Change } from './holdings-lanes.js'
import type { Incarnation, Lease } from './lease.js'
import type { Names } from './names.js'
import { loadScript } from './script.js'
import { listOf } from './store.js'
import type { Reply, Store } from './store.js'

const APPLY = loadScript('sender', 'user-apply')
const SWEEP = loadScript('sender', 'user-sweep')

export interface UsersOptions {
  readonly clock: Clock
  readonly names: Names
  readonly lease: Lease
  readonly holdings: Holdings
  storeOf (channel: ChannelName): Store
}

/** A connection that this node wants to be registered. */
interface Registration {
  /** Its place among the user's connections; `null` until the store has it. */
  order: string | null
  ended: boolean
}

/** Live connections of each user in the whole cluster, in the store; and those of this node, which the store is given again. */
export class Users {
  readonly #options: UsersOptions
  readonly #lanes: Lanes<string, string>
  readonly #users = new Map<string, Map<string, Registration>>()

  constructor (options: UsersOptions) {
    this.#options = options
    const { clock, lease, holdings } = options
    this.#lanes = new Lanes({
      clock,
      lease,
      holdings,
      holding: userHolding,
      wanted: (userId) => this.#users.has(userId),
      send: async (userId, { incarnation, number }, args) => {
        const [status, ...texts] = listOf(await this.#run(APPLY, userId, [incarnation.nodeId, incarnation.number, number, ...args])).map(String)
        if (status !== 'ok') return status === 'dead' ? 'dead' : 'stale'
        return texts
      }
    })
  }

  /** Users with a connection to this node. */
  get size (): number {
    return this.#users.size
  }

  connect (userId: string, connectionId: string, limit: number): Promise<string[]> {
    let connections = this.#users.get(userId)
    if (connections === undefined) this.#users.set(userId, connections = new Map())
    const registration = connections.get(connectionId) ?? { order: null, ended: false }
    connections.set(connectionId, registration)
    return new Promise((resolve, reject) => {
      this.#lanes.add(userId, {
        durable: false,
        holds: true,
        write: () => registration.ended ? null : ['connect', connectionId, limit === Infinity ? '' : limit],
        settle: (answer, incarnation) => {
          const [order, ...oldest] = answer?.split('\n') ?? []
          if (order !== undefined) this.#connected(userId, connectionId, registration, order, incarnation)
          resolve(oldest)
        },
        fail: (error) => {
          this.#end(userId, connectionId, registration)
          reject(error)
          return error.code === 'timeout' ? disconnecting(connectionId) : null
        }
      })
    })
  }

  disconnect (userId: string, connectionId: string): Promise<void> {
    const registration = this.#users.get(userId)?.get(connectionId)
    if (registration !== undefined) this.#end(userId, connectionId, registration)
    return new Promise((resolve, reject) => {
      this.#lanes.add(userId, disconnecting(connectionId, resolve, reject))
    })
  }

  /** Takes away what a dead incarnation registered. */
  async sweep (userId: string, dead: Incarnation): Promise<number> {
    let cursor = '0'
    do {
      const [next = '0'] = listOf(await this.#run(SWEEP, userId, [dead.nodeId, dead.number, cursor])).map(String)
      cursor = next
    } while (cursor !== '0')
    return 0
  }

  /** Gives the store again what this node has of a user, or of all. */
  restore (userId?: string): void {
    const users = userId === undefined ? this.#users.keys() : [userId]
    for (const each of users) {
      for (const [connectionId, registration] of this.#users.get(each) ?? []) {
        if (registration.order !== null) this.#restore(each, connectionId, registration)
      }
    }
  }

  /** Keeps a user's connections from running out. False: they are gone. */
  async renew (userId: string, ttl: number): Promise<boolean> {
    const { storeOf, names } = this.#options
    const channel = userChannel(userId)
    return await storeOf(channel).command('pexpire', names.key(channel, 'connections'), ttl) === 1
  }

  wants (userId: string): boolean {
    return this.#users.has(userId)
  }

  restored (incarnation: Incarnation): boolean {
    return this.#lanes.restored(incarnation)
  }

  resume (): void {
    this.#lanes.resume()
  }

  close (): void {
    this.#lanes.close()
    this.#users.clear()
  }

  #run (script: typeof APPLY, userId: string, args: ReadonlyArray<string | number>): Promise<Reply> {
    const { storeOf, names } = this.#options
    const channel = userChannel(userId)
    return storeOf(channel).run(script, [names.key(channel, 'connections'), names.key(channel, 'connection-senders')], args)
  }

  #connected (userId: string, connectionId: string, registration: Registration, order: string, incarnation: Incarnation | null): void {
    if (registration.ended) return
    registration.order = order
    // Meanwhile all that this node has was given to another incarnation, but this.
    if (incarnation !== this.#options.lease.incarnation) this.#restore(userId, connectionId, registration)
  }

  #restore (userId: string, connectionId: string, registration: Registration): void {
    this.#lanes.add(userId, {
      durable: true,
      holds: true,
      restores: true,
      write: () => registration.ended || registration.order === null ? null : ['restore', connectionId, registration.order],
      settle: (answer, incarnation) => {
        if (answer !== null) this.#connected(userId, connectionId, registration, answer, incarnation)
      },
      fail: () => null
    })
  }

  #end (userId: string, connectionId: string, registration: Registration): void {
    registration.ended = true
    const connections = this.#users.get(userId)
    if (connections?.get(connectionId) !== registration) return
    connections.delete(connectionId)
    if (connections.size === 0) this.#users.delete(userId)
  }
}

function disconnecting (connectionId: string, resolve: () => void = () => {}, reject: (error: Error) => void = () => {}): Change<string> {
  return {
    durable: true,
    holds: false,
    write: () => ['disconnect', connectionId, ''],
    settle: () => resolve(),
    fail: (error) => {
      reject(error)
      return null
    }
  }
}
