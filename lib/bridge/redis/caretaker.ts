import type { Cluster, Redis } from 'ioredis'
import type { Clock } from '../../clock.js'

/** Connections that hang on their way, or were given up by ioredis, would stay so. */
export class Caretaker {
  readonly #clock: Clock
  /** How long a connection may take to come about, in ms. */
  readonly #timeout: number
  /** Since when each one tries. */
  readonly #connecting = new Map<Redis | Cluster, number>()

  constructor (clock: Clock, timeout: number) {
    this.#clock = clock
    this.#timeout = timeout
  }

  watch (client: Redis | Cluster): void {
    this.#connecting.set(client, this.#clock.now())
    client.on('connecting', () => { if (this.#connecting.has(client)) this.#connecting.set(client, this.#clock.now()) })
  }

  connect (): void {
    for (const client of this.#connecting.keys()) client.connect().catch(() => {})
  }

  tend (): void {
    const now = this.#clock.now()
    for (const [client, since] of this.#connecting) {
      const hanging = client.status === 'connecting' || client.status === 'connect'
      if (hanging && now - since > this.#timeout) client.disconnect(true)
      if (client.status === 'end' || client.status === 'wait') client.connect().catch(() => {})
    }
  }

  /** Ends one, or all. */
  end (one?: Redis | Cluster): void {
    for (const client of one === undefined ? [...this.#connecting.keys()] : [one]) {
      this.#connecting.delete(client)
      client.disconnect()
    }
  }
}
