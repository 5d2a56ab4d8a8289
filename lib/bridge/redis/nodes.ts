import type { Clock } from '../../clock.js'
import { BridgeError } from '../bridge.js'
import type { ChannelName } from '../bridge.js'
import { Agenda } from '../agenda.js'
import { Holdings, KEPT, readHolding } from './holdings.js'
import type { Holding } from './holdings.js'
import { Lease } from './lease.js'
import { Sweeper } from './lease-sweep.js'
import type { Names } from './names.js'
import type { PresencePlace } from './presence-follower.js'
import { PresenceStore } from './presence-store.js'
import type { Store } from './store.js'
import { Users } from './users.js'

export interface NodeStateOptions {
  readonly clock: Clock
  readonly names: Names
  readonly nodeId: string
  /** How long a node may be silent until the others take it for dead, in ms. */
  readonly lease: number
  storeOf (channel: ChannelName): Store
  stores (): readonly Store[]
  /** Where the registry of nodes is. */
  service (): Store
  heard (channel: ChannelName, place: Pick<PresencePlace, 'epoch' | 'version'>): Promise<void>
  identify (): Promise<string | null>
  failed (error: unknown): void
}

/** In how many signs of life everything that is held has been looked after once. */
const ROUND = 60
const MIN_ROUND = 200

/**
 * What the store keeps on behalf of this node for as long as it lives: who is present by its connections, and those connections. It is
 * swept when the node dies, and given to the store again when that has lost it.
 */
export class NodeState {
  readonly presence: PresenceStore
  readonly users: Users
  readonly #options: NodeStateOptions
  readonly #agenda: Agenda
  readonly #lease: Lease
  readonly #holdings: Holdings
  readonly #sweeper: Sweeper

  constructor (options: NodeStateOptions) {
    this.#options = options
    const { clock, names, nodeId, lease: span, storeOf, stores, service, identify, failed } = options
    const agenda = new Agenda(clock)
    const lease = new Lease({
      clock,
      names,
      nodeId,
      lease: span,
      identify,
      store: service,
      renewed: (incarnation) => {
        holdings.begin(incarnation)
        this.presence.restore()
        this.users.restore()
      },
      restored: (incarnation) => this.presence.restored(incarnation) && this.users.restored(incarnation),
      beaten: (dead) => this.#beaten(dead)
    })
    const holdings = new Holdings({ clock, names, storeOf, stores }, lease.incarnation)
    this.presence = new PresenceStore({ ...options, agenda, lease, holdings })
    this.users = new Users({ clock, names, lease, holdings, storeOf })
    this.#agenda = agenda
    this.#lease = lease
    this.#holdings = holdings
    this.#sweeper = new Sweeper({
      clock,
      names,
      nodeId,
      // Redis takes whole numbers only.
      claim: Math.ceil(span / 3),
      service,
      stores,
      sweepPresence: (channel, dead) => this.presence.sweep(channel, dead),
      sweepUser: (userId, dead) => this.users.sweep(userId, dead),
      failed: (error) => report(error, failed)
    })
  }

  async start (): Promise<void> {
    await this.#lease.start()
  }

  /** Ids of the nodes that are alive by their leases. */
  async liveNodes (): Promise<readonly string[]> {
    return await this.#lease.read()
  }

  /** The link to the store is back: what was missed is told now, and what the store may have lost is given to it again. */
  reconnected (): void {
    this.#lease.reconnected()
    this.presence.resume()
    this.users.resume()
  }

  async close (): Promise<void> {
    this.#agenda.close()
    this.#sweeper.close()
    this.presence.close()
    this.users.close()
    await this.#lease.close()
  }

  #beaten (dead: readonly string[]): void {
    this.#sweeper.sweep(dead)
    this.#lookAfter().catch((error: unknown) => report(error, this.#options.failed))
  }

  async #lookAfter (): Promise<void> {
    const { incarnation } = this.#lease
    if (!await this.#holdings.renew()) {
      this.#lease.lost(incarnation)
      return
    }
    // Each by itself: one Redis of a list that is away keeps nothing from the others.
    const released = this.#holdings.release()
    const round = this.#holdings.next(Math.max(MIN_ROUND, Math.ceil(this.#holdings.size / ROUND)))
    const results = await Promise.allSettled([released, ...round.map(async (holding) => await this.#renew(holding))])
    for (const result of results) if (result.status === 'rejected') report(result.reason, this.#options.failed)
  }

  async #renew (holding: Holding): Promise<void> {
    const held = readHolding(holding)
    if (held === null) return
    if (held.kind === 'presence') {
      if (!await this.presence.renew(held.channel, KEPT)) this.presence.restore(held.channel)
    } else if (!await this.users.renew(held.userId, KEPT)) this.users.restore(held.userId)
  }
}

/** That the store cannot be reached is known already. */
function report (error: unknown, failed: (error: unknown) => void): void {
  if (!(error instanceof BridgeError)) failed(error)
}
