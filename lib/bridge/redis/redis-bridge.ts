import type { Clock } from '../../clock.js'
import { finishFrame } from '../../protocol/encode.js'
import { BridgeError } from '../bridge.js'
import type { Bridge, BridgeHandlers, BridgeStatus, ChannelName } from '../bridge.js'
import { Channels } from './channels.js'
import { typingEnvelope, volatileEnvelope } from './envelope.js'
import { LogStore } from './log-store.js'
import { createNames } from './names.js'
import { PresenceStore } from './presence-store.js'
import { Shard } from './shard.js'
import type { ShardClients } from './shard.js'

export interface RedisBridgeOptions {
  readonly clock: Clock
  /** Connections to each Redis, not yet connected, made for this bridge alone and ended with it. */
  readonly clients: readonly ShardClients[]
  /** Separates applications that share a Redis. */
  readonly prefix: string
  /** Number of the database, for names of channels. */
  readonly db: number
  /** How long a call may take altogether, in ms. */
  readonly timeout: number
  /** How often to see whether the link is alive, in ms. */
  readonly probe: number
}

/** The bridge between any number of nodes that share a Redis. */
export function createRedisBridge (options: RedisBridgeOptions): Bridge {
  const { clock, clients, prefix, db, timeout, probe } = options
  const nodeId = clock.id()
  const names = createNames(prefix, db)
  const shards: Shard[] = []
  const first = (): Shard => {
    const [shard] = shards
    if (shard === undefined) throw new BridgeError('unavailable', 'the bridge was not started')
    return shard
  }
  const shardOf = (_channel: ChannelName): Shard => first()
  const logs = new LogStore({ clock, names, publish: 'PUBLISH', storeOf: (channel) => shardOf(channel).store })
  const presence = new PresenceStore()
  let channels: Channels | null = null
  let handlers: BridgeHandlers | null = null
  let closed = false
  let told: BridgeStatus = { state: 'up' }

  function status (): BridgeStatus {
    if (closed) return { state: 'down', reason: 'closed' }
    const reason = shards.find((shard) => shard.reason !== null)?.reason
    return reason === undefined || reason === null ? { state: 'up' } : { state: 'down', reason }
  }

  function changed (): void {
    const now = status()
    if (now.state === told.state && now.reason === told.reason) return
    told = now
    if (now.state === 'up') channels?.repair()
    handlers?.onStatus(now)
  }

  function running (): { handlers: BridgeHandlers, channels: Channels } {
    if (handlers === null || channels === null || closed) {
      throw new BridgeError('unavailable', closed ? 'the bridge is closed' : 'the bridge was not started')
    }
    return { handlers, channels }
  }

  const later = async (): Promise<never> => { throw new BridgeError('unavailable', 'not there yet') }

  return {
    nodeId,

    async start (given) {
      handlers = given
      channels = new Channels({ names, logs, presence, handlers: given, subscriberOf: (channel) => shardOf(channel).subscriber })
      const parts = channels
      for (const pair of clients) {
        shards.push(new Shard({
          clients: pair,
          clock,
          timeout,
          probe,
          probeName: names.service(`probe:${nodeId}`),
          onMessage: (name, payload) => parts.receive(name, payload),
          onRestored: (restored) => { if (status().state === 'up') parts.repair(restored) },
          onChange: changed,
          onError: () => {}
        }))
      }
      await Promise.all(shards.map((shard) => shard.start()))
      told = { state: 'up' }
    },

    async close () {
      if (closed) return
      closed = true
      logs.close()
      channels?.close()
      for (const shard of shards) shard.close()
    },

    status,

    async subscribe (channel, options, listener) {
      return await running().channels.subscribe(channel, options, listener)
    },

    async publish (publication) {
      const { channels } = running()
      const { channel, head, retention } = publication
      if (retention !== null) return await logs.append({ ...publication, retention })
      const timestamp = clock.wall()
      const frame = finishFrame(head, timestamp)
      if (status().state === 'down') {
        channels.deliverHere(channel, { type: 'volatile', payload: Buffer.from(frame) })
      } else await shardOf(channel).store.command('publish', names.channel(channel), volatileEnvelope([frame]))
      return { status: 'published', timestamp }
    },

    async lookup (channel, key) {
      running()
      return await logs.lookup(channel, key)
    },

    async read (channel, query) {
      running()
      return await logs.read(channel, query)
    },

    async remove (channel, removal) {
      running()
      return { position: await logs.remove(channel, removal) }
    },

    async typing (channel, userId, typing) {
      const { channels } = running()
      if (status().state === 'down') channels.deliverHere(channel, { type: 'typing', userId, typing })
      else await shardOf(channel).store.command('publish', names.channel(channel), typingEnvelope(userId, typing))
    },

    presenceAttach: later,
    presenceDetach: later,
    presenceUpdate: later,
    presenceRead: later,
    broadcast: later,
    control: later,
    ask: later,
    userConnect: later,
    userDisconnect: later,
    putTicket: later,
    takeTicket: later
  }
}
