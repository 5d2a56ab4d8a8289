import type { Clock } from '../clock.js'
import { BridgeError } from '../bridge/bridge.js'
import type { ChannelName, IdempotencyKey, PresenceSnapshot, PublishResult } from '../bridge/bridge.js'
import { createClients } from '../bridge/redis/clients.js'
import { volatileEnvelope } from '../bridge/redis/envelope.js'
import { LinkLog } from '../bridge/redis/link-log.js'
import { LogStore } from '../bridge/redis/log-store.js'
import { createNames } from '../bridge/redis/names.js'
import type { Names, Subject } from '../bridge/redis/names.js'
import { broadcastEnvelope } from '../bridge/redis/node-calls.js'
import { readPresence } from '../bridge/redis/presence-read.js'
import { createRendezvous } from '../bridge/redis/rendezvous.js'
import { Shard } from '../bridge/redis/shard.js'
import { finishFrame } from '../protocol/encode.js'
import type { ResolvedRedis } from '../redis-option.js'
import type { Bounds } from './options.js'

/** What is to be published, where its bounds may not be the log's. */
export interface Emission {
  readonly channel: ChannelName
  /** As in {@link Publication.head}. */
  readonly head: string
  readonly bounds: Bounds
  /** Not looked at where there is no log. */
  readonly key?: IdempotencyKey
}

/** What a bridge does for those who publish, without a node: the same connections, logs and names, and nothing that would have to be kept up. */
export class Link {
  readonly #clock: Clock
  readonly #names: Names
  readonly #shards: readonly Shard[]
  readonly #place: (subject: Subject) => number
  readonly #logs: LogStore
  /** Resolves when every Redis was reached, or had its time. */
  readonly #begun: Promise<unknown>
  readonly #pending = new Set<Promise<unknown>>()
  #closing: Promise<void> | null = null

  constructor (redis: ResolvedRedis, clock: Clock, onError: ((error: Error) => void) | null) {
    const { prefix, db, timeout, probe, replicas, replicaTimeout } = redis
    const id = clock.id()
    const links = new LinkLog(clock, (error) => onError?.(error))
    const clients = createClients({ ...redis, clock })
    this.#clock = clock
    this.#names = createNames(prefix, db)
    this.#place = createRendezvous(clients.map(({ name = '' }) => name))
    this.#shards = clients.map((connections) => new Shard({
      clients: connections,
      clock,
      timeout,
      probe,
      replicas: { count: replicas, timeout: replicaTimeout },
      probeName: (number) => this.#names.service(`probe:${id}:${number}`),
      clockName: this.#names.channel('s:control'),
      onMessage: () => {},
      onRestored: () => {},
      beforeUp: async () => {},
      onChange: () => {},
      onError: (error) => links.failed(error)
    }))
    this.#logs = new LogStore({
      clock,
      names: this.#names,
      storeOf: (channel) => this.#shardOf(channel).store,
      ...(replicas > 0 && { replicated: async (channel, key) => await this.#shardOf(channel).replicated(key) })
    })
    this.#begun = Promise.allSettled(this.#shards.map((shard) => shard.start()))
  }

  publish ({ channel, head, bounds, key }: Emission): Promise<PublishResult> {
    return this.#run(async () => {
      const { retention, known } = bounds
      if (retention !== null) return await this.#logs.append({ channel, head, retention, keepBounds: !known, key })
      const timestamp = this.#clock.wall()
      await this.#shardOf(channel).store.publish(this.#names.channel(channel), volatileEnvelope([finishFrame(head, timestamp)]))
      return { status: 'published', timestamp }
    })
  }

  broadcast (head: string): Promise<{ timestamp: number }> {
    return this.#run(async () => {
      const timestamp = this.#clock.wall()
      await this.#shardOf('s:nodes').store.publish(this.#names.service('nodes'), broadcastEnvelope(finishFrame(head, timestamp)))
      return { timestamp }
    })
  }

  presence (channel: ChannelName): Promise<PresenceSnapshot> {
    return this.#run(async () => await readPresence(this.#shardOf(channel).store, this.#names, channel))
  }

  close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** In the order of the calls, as soon as Redis was reached. */
  async #run<Result> (call: () => Promise<Result>): Promise<Result> {
    if (this.#closing !== null) throw new BridgeError('unavailable', 'the emitter is closed')
    const running = this.#begun.then(call)
    this.#pending.add(running)
    try {
      return await running
    } finally {
      this.#pending.delete(running)
    }
  }

  async #close (): Promise<void> {
    await Promise.allSettled(this.#pending)
    this.#logs.close()
    for (const shard of this.#shards) shard.close()
  }

  #shardOf (subject: Subject): Shard {
    const shard = this.#shards[this.#place(subject)]
    if (shard === undefined) throw new BridgeError('unavailable', 'there is no Redis')
    return shard
  }
}
