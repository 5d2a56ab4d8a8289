import type { Clock } from '../../clock.js'
import { finishFrame } from '../../protocol/encode.js'
import { BridgeError } from '../bridge.js'
import type { Bridge, BridgeHandlers, BridgeStatus, ChannelName } from '../bridge.js'
import { Channels } from './channels.js'
import { ControlLog } from './control-log.js'
import { typingEnvelope, volatileEnvelope } from './envelope.js'
import { LogStore } from './log-store.js'
import { createNames } from './names.js'
import type { Subject } from './names.js'
import { publicReason } from './public-reason.js'
import { NodeCalls } from './node-calls.js'
import { NodeState } from './nodes.js'
import { createRendezvous } from './rendezvous.js'
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
  /**
   * Replicas that must have an entry of a log before it counts as published.
   * @default 0
   */
  readonly replicas?: number
  /**
   * For how long to wait for them, in ms.
   * @default 1000
   */
  readonly replicaTimeout?: number
  /**
   * How long a node may be silent before the others take it for dead, in ms; all nodes agree on it.
   * @default 15000
   */
  readonly lease?: number
  /** See {@link ShardOptions.maxPending}. */
  readonly maxPending?: number
  /** What a connection says when it fails, told once in a while. */
  onLinkError? (error: unknown): void
}

/** The bridge between any number of nodes that share a Redis. */
export function createRedisBridge (options: RedisBridgeOptions): Bridge {
  const { clock, clients, prefix, db, timeout, probe, replicas = 0, replicaTimeout = 1_000, lease = 15_000 } = options
  const nodeId = clock.id()
  const names = createNames(prefix, db)
  const shards: Shard[] = []
  const place = createRendezvous(namesOf(clients))
  const shardOf = (subject: Subject): Shard => {
    const shard = shards[place(subject)]
    if (shard === undefined) throw new BridgeError('unavailable', 'the bridge was not started')
    return shard
  }
  /** Where what belongs to all nodes, or to one, is; by its name. */
  const shardOfService = (name: string): Shard => shardOf(`s:${name}`)
  const logs = new LogStore({
    clock,
    names,
    storeOf: (channel) => shardOf(channel).store,
    ...(replicas > 0 && { replicated: async (channel, key) => await shardOf(channel).replicated(key) })
  })
  const state = new NodeState({
    clock,
    names,
    nodeId,
    lease,
    storeOf: (channel) => shardOf(channel).store,
    stores: () => shards.map(({ store }) => store),
    service: () => shardOfService('nodes').store,
    heard: async (channel, place) => await channels?.presenceHeard(channel, place),
    identify: async () => await identify(shards),
    failed: (error) => handlers?.onError?.(error)
  })
  const { presence, users } = state
  const tickets = new Tickets({ clock, names, timeout, storeOf: (name) => shardOfService(name).store })
  let calls: NodeCalls | null = null
  let control: ControlLog | null = null
  let channels: Channels | null = null
  let handlers: BridgeHandlers | null = null
  let closed = false
  let dropped = 0
  /** Whoever started it was told that it is up. */
  let started = false
  let told: BridgeStatus = { state: 'up' }

  function status (): BridgeStatus {
    if (closed) return { state: 'down', reason: 'closed', publicReason: 'closed' }
    const reason = shards.find((shard) => shard.reason !== null)?.reason
    return reason === undefined || reason === null ? { state: 'up' } : { state: 'down', reason, publicReason: publicReason(reason) }
  }

  function isUp (channel: ChannelName): boolean {
    return shardOf(channel).reason === null
  }

  function changed (): void {
    if (!started || closed) return
    const now = status()
    const before = told
    told = now
    // Of a list only the server that has the commands counts for them.
    const isReachable = shardOf('s:control').reason === null
    if (!isReachable) control?.shut()
    if (now.state !== before.state || now.reason !== before.reason) handlers?.onStatus(now)
    if (isReachable) control?.open()
    if (now.state === 'up' && before.state === 'down') state.reconnected()
  }

  function running (): { channels: Channels, calls: NodeCalls } {
    if (calls === null || channels === null || closed) {
      throw new BridgeError('unavailable', closed ? 'the bridge is closed' : 'the bridge was not started')
    }
    return { channels, calls }
  }

  return {
    nodeId,

    async start (given) {
      handlers = given
      channels = new Channels({
        clock, timeout, names, logs, presence, isUp, handlers: given, subscriberOf: (channel) => shardOf(channel).subscriber
      })
      const failed = (error: unknown): void => given.onError?.(error)
      const storeTime = (): number => shardOf('s:control').time
      const log = new ControlLog({ clock, logs, storeTime, failed, begin: (command, age) => talk.begin(command, age) })
      const talk = new NodeCalls({
        clock, nodeId, names, handlers: given, control: log, storeTime, store: () => shardOfService('nodes').store, liveNodes: () => state.liveNodes()
      })
      control = log
      calls = talk
      const parts = channels
      const hear = (name: string, payload: Buffer): boolean => {
        if (name === controlName) return log.receive(payload)
        return talk.channels.includes(name) ? talk.receive(name, payload) : parts.receive(name, payload)
      }
      const controlName = names.channel('s:control')
      for (const connections of clients) {
        const shard: Shard = new Shard({
          clients: connections,
          clock,
          timeout,
          probe,
          maxPending: options.maxPending,
          replicas: { count: replicas, timeout: replicaTimeout },
          probeName: (number) => names.service(`probe:${nodeId}:${number}`),
          clockName: controlName,
          onMessage: (name, payload) => {
            if (!hear(name, payload)) dropped++
          },
          onRestored: (restored) => {
            if (restored.includes(controlName)) log.repair()
            if (shard.reason === null) parts.repair(restored)
          },
          beforeUp: async () => { if (shard === shardOf('s:control')) await log.repaired() },
          onChange: (reason) => {
            if (reason === null) parts.repairAll((channel) => shardOf(channel) === shard)
            changed()
          },
          onError: (error) => options.onLinkError?.(error)
        })
        shards.push(shard)
      }
      // Of a list those that all nodes need have to be there; what the others have is unavailable until they are.
      const needed = new Set([shardOf('s:control'), shardOfService('nodes')])
      await Promise.all(shards.map((shard) => shard.start().catch((error: unknown) => {
        if (needed.has(shard)) throw error
      })))
      await shardOf('s:control').subscriber.add(controlName)
      for (const name of talk.channels) await shardOfService('nodes').subscriber.add(name)
      await log.start()
      await state.start()
      log.open()
      started = true
      // It may have gone while the rest began.
      changed()
    },

    async close () {
      if (closed) return
      closed = true
      control?.close()
      calls?.close()
      logs.close()
      channels?.close()
      await state.close()
      for (const shard of shards) shard.close()
    },

    status,
    dropped: () => dropped,

    async subscribe (channel, options, listener) {
      return await running().channels.subscribe(channel, options, listener)
    },

    async publish (publication) {
      const { channels } = running()
      const { channel, head, retention } = publication
      if (retention !== null) return await logs.append({ ...publication, retention })
      const timestamp = clock.wall()
      const frame = finishFrame(head, timestamp)
      if (isUp(channel)) await shardOf(channel).store.publish(names.channel(channel), volatileEnvelope([frame]))
      else channels.deliverHere(channel, { type: 'volatile', payload: Buffer.from(frame) })
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
      if (isUp(channel)) await shardOf(channel).store.publish(names.channel(channel), typingEnvelope(userId, typing))
      else channels.deliverHere(channel, { type: 'typing', userId, typing })
    },

    async presenceAttach (channel, userId, connectionId, limit) {
      running()
      return await presence.attach(channel, userId, connectionId, limit)
    },

    async presenceDetach (channel, userId, connectionId, linger) {
      running()
      await presence.detach(channel, userId, connectionId, linger)
    },

    async presenceUpdate (channel, userId, update) {
      running()
      return await presence.update(channel, userId, update)
    },

    async presenceRead (channel) {
      running()
      return await presence.read(channel)
    },

    async broadcast (head) {
      const { calls } = running()
      const timestamp = shardOfService('nodes').reason === null ? await calls.broadcast(head) : calls.broadcastHere(head)
      return { timestamp }
    },

    async control (command, timeout) {
      return await running().calls.control(command, timeout)
    },

    async ask (query, timeout) {
      return await running().calls.ask(query, timeout)
    },

    async userConnect (userId, connectionId, limit) {
      running()
      return await users.connect(userId, connectionId, limit)
    },

    async userDisconnect (userId, connectionId) {
      running()
      await users.disconnect(userId, connectionId)
    },

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

/** See {@link Shard.identify}. */
async function identify (shards: readonly Shard[]): Promise<string | null> {
  const ids = await Promise.all(shards.map(async (shard) => await shard.identify()))
  return ids.includes(null) ? null : ids.join(' ')
}

/** What rooms and users are shared out by: the same on every node, whatever the order of its list. */
function namesOf (clients: readonly ShardClients[]): string[] {
  const names = clients.map(({ name = '' }) => name)
  if (new Set(names).size !== names.length) throw new TypeError('several Redis need different names')
  return names
}
