import type { Clock } from '../../clock.js'
import { finishFrame } from '../../protocol/encode.js'
import { formatPosition } from '../../protocol/position.js'
import { BridgeError, CONTROL_RETENTION } from '../bridge.js'
import type {
  Bridge, BridgeHandlers, ChannelEvent, ChannelListener, ChannelName, ControlCommand, Entry, NodeQuery, Publication, PublishResult,
  RemovalEntry, SubscribeOptions, Subscription
} from '../bridge.js'
import { toJson } from '../json.js'
import { Agenda } from '../agenda.js'
import { ListenerQueue } from '../listener-queue.js'
import { Logs } from './logs.js'
import { NodeCalls } from './node-calls.js'
import { PresenceStore } from './presence-store.js'
import { TicketStore } from './ticket-store.js'
import { Users } from './users.js'

export interface MemoryBridgeOptions {
  readonly clock: Clock
  /**
   * Rooms without members whose last position is remembered. Beyond it the one left longest ago is forgotten: who comes back
   * to it is told that there may be a gap.
   * @default 100000
   */
  readonly maxIdle?: number
  /**
   * Tickets outstanding; more are refused.
   * @default 100000
   */
  readonly maxTickets?: number
}

/** The bridge of a single process: its memory is the store, and nothing can be lost on the way. */
export function createMemoryBridge (options: MemoryBridgeOptions): Bridge {
  const { clock, maxIdle = 100_000, maxTickets = 100_000 } = options
  const nodeId = clock.id()
  const agenda = new Agenda(clock)
  const logs = new Logs(clock, agenda, maxIdle)
  const followers = new Map<ChannelName, ListenerQueue>()
  const presence = new PresenceStore(clock, agenda, (channel, event) => {
    const follower = followers.get(channel)
    if (follower?.presence === true) follower.deliver({ type: 'presence', ...event })
  })
  const tickets = new TicketStore(clock, agenda, maxTickets)
  const users = new Users()
  const calls = new NodeCalls(clock, nodeId)
  const parts = [agenda, logs, presence, tickets, users, calls]
  let handlers: BridgeHandlers | null = null
  let closed = false

  /** Every call goes through here, so that none works before the start or after the end. */
  function running (): BridgeHandlers {
    if (handlers === null || closed) throw new BridgeError('unavailable', closed ? 'the bridge is closed' : 'the bridge was not started')
    return handlers
  }

  function deliver (channel: ChannelName, event: ChannelEvent): void {
    followers.get(channel)?.deliver(event)
  }

  function publishVolatile (publication: Publication): PublishResult {
    const { channel, head } = publication
    const timestamp = clock.wall()
    const follower = followers.get(channel)
    if (follower !== undefined) {
      follower.deliver({ type: 'volatile', payload: Buffer.from(finishFrame(head, timestamp)) })
    }
    return { status: 'published', timestamp }
  }

  return {
    nodeId,

    async start (given) {
      handlers = given
    },

    async close () {
      closed = true
      for (const follower of followers.values()) follower.end()
      followers.clear()
      for (const part of parts) part.close()
    },

    dropped: () => 0,

    status () {
      return closed ? { state: 'down', reason: 'closed', publicReason: 'closed' } : { state: 'up' }
    },

    async subscribe (channel: ChannelName, { presence: withPresence }: SubscribeOptions, listener: ChannelListener): Promise<Subscription> {
      const node = running()
      followers.get(channel)?.end()
      const follower = new ListenerQueue(withPresence, listener, error => node.onError?.(error))
      followers.set(channel, follower)
      const log = logs.pin(channel)
      const subscription: Subscription = {
        head: log.head,
        removals: log.removals(clock.now()),
        ...(withPresence && { presence: presence.pin(channel) }),
        async unsubscribe () {
          if (followers.get(channel) !== follower) return
          follower.end()
          followers.delete(channel)
          logs.unpin(channel)
          presence.unpin(channel)
        }
      }
      // What waits for this promise runs in the microtask between these two, so it knows the head before what follows it.
      queueMicrotask(() => queueMicrotask(() => follower.start()))
      return subscription
    },

    async publish (publication) {
      running()
      const { channel, head, retention, key, receipt = false } = publication
      if (retention === null) return publishVolatile(publication)
      const earlier = key === undefined ? null : logs.lookup(channel, key)
      if (earlier !== null) return earlier
      const timestamp = clock.wall()
      const entry = logs.append(channel, retention, (position): Entry => ({
        kind: 'message',
        position,
        payload: encode(finishFrame(head, timestamp, formatPosition(position))),
        timestamp,
        receipt
      }))
      if (key !== undefined) logs.remember(channel, key, entry.position, timestamp)
      deliver(channel, { type: 'entry', entry })
      return { status: 'published', position: entry.position, timestamp }
    },

    async lookup (channel, key) {
      running()
      return logs.lookup(channel, key)
    },

    async read (channel, query) {
      running()
      return logs.peek(channel).read(query, clock.now())
    },

    async remove (channel, { userId, reason, retention }) {
      running()
      const entry = logs.append(channel, retention ?? CONTROL_RETENTION, (position): RemovalEntry => ({
        kind: 'removal', position, userId, ...(reason !== undefined && { reason })
      }))
      deliver(channel, { type: 'removal', entry })
      return { position: entry.position }
    },

    async typing (channel, userId, typing) {
      running()
      deliver(channel, { type: 'typing', userId, typing })
    },

    async presenceAttach (channel, userId, connectionId, limit) {
      running()
      return presence.attach(channel, userId, connectionId, limit)
    },

    async presenceDetach (channel, userId, connectionId, linger) {
      running()
      presence.detach(channel, userId, connectionId, linger)
    },

    async presenceUpdate (channel, userId, update) {
      running()
      return presence.update(channel, userId, update)
    },

    async presenceRead (channel) {
      running()
      return presence.read(channel)
    },

    async broadcast (head) {
      const node = running()
      const timestamp = clock.wall()
      try {
        node.onBroadcast(Buffer.from(finishFrame(head, timestamp)))
      } catch (error) {
        node.onError?.(error)
      }
      return { timestamp }
    },

    async control (command, timeout) {
      const node = running()
      const copy: ControlCommand = JSON.parse(toJson(command, 'command'))
      return await calls.call(() => node.onControl(copy, 0), timeout)
    },

    async ask (query, timeout) {
      const node = running()
      const copy: NodeQuery = JSON.parse(toJson(query, 'query'))
      return await calls.call(() => node.onAsk(copy), timeout)
    },

    async userConnect (userId, connectionId, limit) {
      running()
      return users.connect(userId, connectionId, limit)
    },

    async userDisconnect (userId, connectionId) {
      running()
      users.disconnect(userId, connectionId)
    },

    async putTicket (id, value, ttl) {
      running()
      tickets.put(id, value, ttl)
    },

    async takeTicket (id) {
      running()
      return tickets.take(id)
    }
  }
}

/** Not from Buffer's shared pool: a frame kept for a day would keep the 8 KiB slab of frames gone long before. */
function encode (text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
  bytes.write(text)
  return bytes
}
