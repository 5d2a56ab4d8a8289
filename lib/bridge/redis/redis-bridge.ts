import type { Clock } from '../../clock.js'
import { finishFrame } from '../../protocol/encode.js'
import { BridgeError } from '../bridge.js'
import type { Bridge, BridgeHandlers, BridgeStatus } from '../bridge.js'
import { Channels } from './channels.js'
import { ControlLog } from './control-log.js'
import { typingEnvelope, volatileEnvelope } from './envelope.js'
import { LiveNodes } from './live-nodes.js'
import { LogStore } from './log-store.js'
import { createNames } from './names.js'
import type { LogName } from './names.js'
import { NodeCalls } from './node-calls.js'
import { PresenceStore } from './presence-store.js'
import { Shard } from './shard.js'
import type { ShardClients } from './shard.js'
import { Tickets } from './tickets.js'

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
  /** What a connection says when it fails, told once in a while. */
  onLinkError? (error: unknown): void
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
  const shardOf = (_channel: LogName): Shard => first()
  /** Where what belongs to all nodes, or to one, is; by its name. */
  const shardOfService = (_name: string): Shard => first()
  const logs = new LogStore({ clock, names, publish: 'PUBLISH', storeOf: (channel) => shardOf(channel).store })
  const presence = new PresenceStore()
  const tickets = new Tickets({ clock, names, timeout, storeOf: (name) => shardOfService(name).store })
  const live = new LiveNodes({ clock, names, nodeId, store: () => shardOfService('nodes').store })
  let calls: NodeCalls | null = null
  let control: ControlLog | null = null
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
    if (now.state === 'down') control?.shut()
    else channels?.repair()
    handlers?.onStatus(now)
    if (now.state === 'up') control?.open()
  }

  function running (): { channels: Channels, calls: NodeCalls } {
    if (calls === null || channels === null || closed) {
      throw new BridgeError('unavailable', closed ? 'the bridge is closed' : 'the bridge was not started')
    }
    return { channels, calls }
  }

  const later = async (): Promise<never> => { throw new BridgeError('unavailable', 'not there yet') }

  return {
    nodeId,

    async start (given) {
      handlers = given
      channels = new Channels({ names, logs, presence, handlers: given, subscriberOf: (channel) => shardOf(channel).subscriber })
      const failed = (error: unknown): void => given.onError?.(error)
      const storeTime = (): number => shardOf('s:control').time
      const log = new ControlLog({ logs, storeTime, failed, begin: (command, age) => talk.begin(command, age) })
      const talk = new NodeCalls({
        clock, nodeId, names, handlers: given, control: log, storeTime, store: () => shardOfService('nodes').store, liveNodes: () => live.read()
      })
      control = log
      calls = talk
      const parts = channels
      const controlName = names.channel('s:control')
      for (const pair of clients) {
        shards.push(new Shard({
          clients: pair,
          clock,
          timeout,
          probe,
          probeName: names.service(`probe:${nodeId}`),
          onMessage: (name, payload) => {
            if (name === controlName) log.receive(payload)
            else if (talk.channels.includes(name)) talk.receive(name, payload)
            else parts.receive(name, payload)
          },
          onRestored: (restored) => { if (status().state === 'up') parts.repair(restored) },
          beforeUp: async () => await log.repaired(),
          onChange: changed,
          onError: (error) => options.onLinkError?.(error)
        }))
      }
      await Promise.all(shards.map((shard) => shard.start()))
      await shardOf('s:control').subscriber.add(controlName)
      for (const name of talk.channels) await shardOfService('nodes').subscriber.add(name)
      await log.start()
      await live.start()
      told = status()
      if (told.state === 'up') log.open()
    },

    async close () {
      if (closed) return
      closed = true
      live.close()
      control?.close()
      calls?.close()
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
    async broadcast (head) {
      const { calls } = running()
      const timestamp = status().state === 'down' ? calls.broadcastHere(head) : await calls.broadcast(head)
      return { timestamp }
    },

    async control (command, timeout) {
      return await running().calls.control(command, timeout)
    },

    async ask (query, timeout) {
      return await running().calls.ask(query, timeout)
    },

    userConnect: later,
    userDisconnect: later,

    async putTicket (id, value, ttl) {
      running()
      await tickets.put(id, value, ttl)
    },

    async takeTicket (id) {
      running()
      return await tickets.take(id)
    }
  }
}
