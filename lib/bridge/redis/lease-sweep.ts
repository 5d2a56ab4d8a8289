import type { Clock } from '../../clock.js'
import type { ChannelName } from '../bridge.js'
import { KEPT, holdingsKey, readHolding } from './holdings.js'
import type { Incarnation } from './lease.js'
import type { Names } from './names.js'
import { loadScript } from './script.js'
import { listOf } from './store.js'
import type { Store } from './store.js'

const INHERIT = loadScript('inherit')
const RELEASE = loadScript('release')

/** Things swept at once. */
const WIDTH = 16

/** Names in a list that stand for nothing held: `begun` and `dead`. */
const MARKS = 2

/** How long a list remembers that nothing more may come, when it is empty, in ms. */
const REMEMBERED = 60 * 60 * 1000

export interface SweeperOptions {
  readonly clock: Clock
  readonly names: Names
  readonly nodeId: string
  /** How long a node that sweeps may be silent before another one does, in ms. */
  readonly claim: number
  /** Where the registry is. */
  service (): Store
  stores (): readonly Store[]
  sweepPresence (channel: ChannelName, dead: Incarnation): Promise<number>
  sweepUser (userId: string, dead: Incarnation): Promise<number>
  /** It is tried again. */
  failed (error: unknown): void
}

/**
 * Takes away what dead incarnations left behind. Every step is one script and can be made twice: a node that dies in the middle leaves
 * the rest to the next one, and nothing is announced twice.
 */
export class Sweeper {
  readonly #options: SweeperOptions
  readonly #running = new Set<string>()
  #closed = false

  constructor (options: SweeperOptions) {
    this.#options = options
  }

  sweep (dead: readonly string[]): void {
    for (const name of dead) {
      if (this.#running.has(name) || this.#closed) continue
      this.#running.add(name)
      this.#take(name).catch((error: unknown) => this.#failed(error)).finally(() => this.#running.delete(name))
    }
  }

  close (): void {
    this.#closed = true
  }

  #failed (error: unknown): void {
    if (!this.#closed) this.#options.failed(error)
  }

  async #take (name: string): Promise<void> {
    const { service, names, stores } = this.#options
    const incarnation = readIncarnation(name)
    // Spares the nodes doing the same; that they may is not in need of it.
    if (incarnation !== null && !await this.#claim(name)) return
    let left = false
    if (incarnation !== null) {
      for (const store of stores()) {
        try {
          if (!await this.#takeFrom(store, incarnation, name)) left = true
        } catch (error) {
          // One that is away leaves the others to be swept, and itself for later.
          left = true
          this.#failed(error)
        }
      }
    }
    if (!left && !this.#closed) await service().command('hdel', names.service('nodes', 'dead'), name)
  }

  async #claim (name: string): Promise<boolean> {
    const { service, names, nodeId, claim } = this.#options
    const key = names.service(`sweep:${name}`)
    const store = service()
    if (await store.command('set', key, nodeId, 'PX', claim, 'NX') !== null) return true
    return String(await store.command('get', key)) === nodeId
  }

  /** True: nothing is left there. */
  async #takeFrom (store: Store, incarnation: Incarnation, name: string): Promise<boolean> {
    const { names, service, claim } = this.#options
    const key = holdingsKey(names, name)
    let cursor = '0'
    let left = MARKS
    do {
      const [next, fields] = listOf(await store.run(INHERIT, [key], [KEPT, cursor]))
      cursor = String(next)
      const held = listOf(fields).filter((_field, index) => index % 2 === 0).map(String)
      const swept: string[] = []
      for (let from = 0; from < held.length && !this.#closed; from += WIDTH) {
        await Promise.all(held.slice(from, from + WIDTH).map(async (holding) => {
          if (await this.#sweepOne(holding, incarnation) === 0) swept.push(holding)
        }))
        await service().command('pexpire', names.service(`sweep:${name}`), claim)
      }
      left = Number(await store.run(RELEASE, [key], swept.flatMap((holding) => [holding, ''])))
    } while (cursor !== '0' && !this.#closed)
    if (left > MARKS) return false
    await store.command('pexpire', key, REMEMBERED)
    return true
  }

  async #sweepOne (text: string, incarnation: Incarnation): Promise<number> {
    const { sweepPresence, sweepUser } = this.#options
    const holding = readHolding(text)
    // Marks stay.
    if (holding === null) return 1
    return await (holding.kind === 'presence' ? sweepPresence(holding.channel, incarnation) : sweepUser(holding.userId, incarnation))
  }
}

function readIncarnation (name: string): Incarnation | null {
  const [, nodeId, number] = /^([^:]+):([1-9]\d{0,14})$/.exec(name) ?? []
  return nodeId === undefined ? null : { nodeId, number: Number(number) }
}
