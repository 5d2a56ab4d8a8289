import type { Redis } from 'ioredis'
import type { Clock } from '../../clock.js'
import { Caretaker } from './caretaker.js'
import { identityOf } from './connections.js'
import type { Connections, ConnectionsEvents, FanOut, Way } from './connections.js'
import { Replicas } from './replicas.js'
import { Subscriber } from './subscriber.js'

/** To a server, or to the master that sentinels name. All of them are the bridge's own, not connected yet. */
export interface ServerClients {
  readonly command: Redis
  readonly subscriber: Redis
  /** For `replicas`. */
  readonly replicas?: Redis
}

export interface ServerConnectionsOptions {
  readonly clients: ServerClients
  readonly clock: Clock
  /** How long a call may take, in ms. */
  readonly timeout: number
  readonly replicas: { readonly count: number, readonly timeout: number }
  probeName (number: number): string
  readonly events: ConnectionsEvents
}

/** A connection for calls, another one that hears the fan-out, and a third one where copies are waited for. */
export class ServerConnections implements Connections {
  readonly command: Redis
  readonly subscriptions: Subscriber
  readonly fanOut: FanOut = 'PUBLISH'
  readonly #replicas: Replicas | null
  readonly #caretaker: Caretaker
  readonly #clients: readonly Redis[]
  readonly #ways: readonly Way[]

  constructor ({ clients, clock, timeout, replicas, probeName, events }: ServerConnectionsOptions) {
    const { command, subscriber } = clients
    this.command = command
    this.#caretaker = new Caretaker(clock, timeout)
    this.subscriptions = new Subscriber({ client: subscriber, clock, timeout, onMessage: events.onMessage, onRestored: events.onRestored })
    if (replicas.count > 0 && clients.replicas === undefined) throw new TypeError('replicas need a connection of their own')
    this.#replicas = replicas.count > 0 && clients.replicas !== undefined ? new Replicas({ ...replicas, client: clients.replicas, clock }) : null
    this.#clients = this.#replicas === null || clients.replicas === undefined ? [command, subscriber] : [command, subscriber, clients.replicas]
    for (const client of this.#clients) {
      this.#caretaker.watch(client)
      // Without a listener it would end the process.
      client.on('error', events.onError)
      client.on('ready', events.onReady)
      client.on('close', events.onLost)
    }
    this.#ways = [{
      name: () => probeName(0),
      renewCommand: () => { if (command.status === 'ready') command.disconnect(true) },
      renewSubscriber: () => { if (subscriber.status === 'ready') subscriber.disconnect(true) }
    }]
  }

  get ready (): boolean {
    return this.#clients.every(({ status }) => status === 'ready') && this.subscriptions.ready
  }

  connect (): void {
    this.#caretaker.connect()
  }

  close (): void {
    this.#replicas?.close()
    this.subscriptions.close()
    this.#caretaker.end()
  }

  async prepare (): Promise<void> {
    this.#caretaker.tend()
  }

  ways (): readonly Way[] {
    return this.#ways
  }

  async replicated (key: string): Promise<void> {
    await this.#replicas?.confirm(key)
  }

  async identify (): Promise<string | null> {
    try {
      return identityOf(await Promise.all([this.command.info('server'), this.command.info('replication')]))
    } catch {
      return null
    }
  }
}
