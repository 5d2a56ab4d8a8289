import type { Clock } from '../../clock.js'
import type { Names } from './names.js'
import type { Store } from './store.js'

const LEASE = 15_000

/** Which nodes are alive. Takes the place of the registry of leases until that is there. */
export class LiveNodes {
  readonly #options: { readonly clock: Clock, readonly names: Names, readonly nodeId: string, store (): Store }
  #cancel = (): void => {}

  constructor (options: { readonly clock: Clock, readonly names: Names, readonly nodeId: string, store (): Store }) {
    this.#options = options
  }

  async start (): Promise<void> {
    await this.#renew()
    this.#plan()
  }

  async read (): Promise<string[]> {
    const { clock, names, store } = this.#options
    const found = await store().command('zrange', names.service('alive'), clock.wall() - LEASE, '+inf', 'BYSCORE')
    return Array.isArray(found) ? found.map(String) : []
  }

  close (): void {
    this.#cancel()
    const { names, nodeId, store } = this.#options
    try {
      store().command('zrem', names.service('alive'), nodeId).catch(() => {})
    } catch {}
  }

  #plan (): void {
    this.#cancel = this.#options.clock.timeout(() => {
      this.#renew().catch(() => {})
      this.#plan()
    }, LEASE / 3)
  }

  async #renew (): Promise<void> {
    const { clock, names, nodeId, store } = this.#options
    await store().command('zadd', names.service('alive'), clock.wall(), nodeId)
    await store().command('pexpire', names.service('alive'), 2 * LEASE)
  }
}
