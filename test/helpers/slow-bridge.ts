import type { Bridge, BridgeStatus, ChannelEvent, ChannelListener, ChannelName } from '../../lib/bridge/bridge.js'
import { gate } from './events.js'

/** The calls that can be held up. */
export type HeldMethod =
  | 'subscribe' | 'publish' | 'lookup' | 'read' | 'remove' | 'presenceAttach' | 'presenceDetach' | 'userConnect'

/** Where calls of one method wait. */
export interface Gate {
  /** Resolves when at least one call waits. */
  arrived (): Promise<void>
  /** Calls that wait now. */
  readonly waiting: number
  /** Lets the one that waits longest go on. */
  release (): void
  /** Makes the one that waits longest reject. */
  fail (err: Error): void
  /** Lets everybody go on, now and from now on. */
  open (): void
}

export interface SlowBridge extends Bridge {
  /**
   * From now on calls of the method wait: before they do anything, or (`after`) with the result in hand, which is then as old as
   * the test makes it.
   */
  hold (method: HeldMethod, when?: 'before' | 'after'): Gate
  /** From now on the bridge says that it is down, or up again. */
  down (reason?: string): void
  up (): void
  /** Says to this node's listener what the bridge would say. */
  inject (channel: ChannelName, event: ChannelEvent): void
  /** Channels that are subscribed now. */
  readonly subscribed: ReadonlySet<ChannelName>
}

interface Waiting {
  readonly go: () => void
  readonly stop: (err: Error) => void
}

/** A bridge whose calls a test releases by hand, to force an order of events that is rare otherwise. */
export function slowBridge (bridge: Bridge): SlowBridge {
  const gates = new Map<HeldMethod, { readonly when: 'before' | 'after', readonly pass: () => Promise<void> }>()
  const listeners = new Map<ChannelName, ChannelListener>()
  const subscribed = new Set<ChannelName>()

  async function through<Result> (method: HeldMethod, call: () => Promise<Result>): Promise<Result> {
    const held = gates.get(method)
    if (held === undefined) return await call()
    if (held.when === 'before') await held.pass()
    const result = await call()
    if (held.when === 'after') await held.pass()
    return result
  }

  function hold (method: HeldMethod, when: 'before' | 'after' = 'before'): Gate {
    const waiting: Waiting[] = []
    let arrivals: Array<() => void> = []
    gates.set(method, {
      when,
      pass: () => new Promise<void>((resolve, reject) => {
        waiting.push({ go: resolve, stop: reject })
        for (const arrival of arrivals.splice(0)) arrival()
      })
    })
    return {
      get waiting () { return waiting.length },
      arrived: () => waiting.length > 0 ? Promise.resolve() : new Promise((resolve) => { arrivals.push(resolve) }),
      release: () => waiting.shift()?.go(),
      fail: (err) => waiting.shift()?.stop(err),
      open () {
        gates.delete(method)
        arrivals = []
        for (const { go } of waiting.splice(0)) go()
      }
    }
  }

  /** When what a connection holds has been begun, by connection: what ends it takes effect after that, however long it is held up. */
  const begun = new Map<string, Promise<unknown>>()

  function begin<Result> (method: HeldMethod, id: string, call: () => Promise<Result>): Promise<Result> {
    const { open, opened } = gate()
    begun.set(id, opened)
    const over = (): void => {
      open()
      if (begun.get(id) === opened) begun.delete(id)
    }
    const result = through(method, () => call().finally(over))
    result.catch(over)
    return result
  }

  let status: BridgeStatus | null = null

  return {
    nodeId: bridge.nodeId,
    subscribed,
    hold,
    down (reason = 'the test says so') { status = { state: 'down', reason } },
    up () { status = null },
    inject (channel, event) {
      const listener = listeners.get(channel)
      if (listener === undefined) throw new Error(`${channel} is not subscribed`)
      listener(event)
    },
    start: (handlers) => bridge.start(handlers),
    close: () => bridge.close(),
    status: () => status ?? bridge.status(),
    dropped: () => bridge.dropped(),
    subscribe: (channel, options, listener) => through('subscribe', async () => {
      const subscription = await bridge.subscribe(channel, options, listener)
      listeners.set(channel, listener)
      subscribed.add(channel)
      return {
        ...subscription,
        async unsubscribe () {
          listeners.delete(channel)
          subscribed.delete(channel)
          await subscription.unsubscribe()
        }
      }
    }),
    publish: (publication) => through('publish', () => bridge.publish(publication)),
    lookup: (channel, key) => through('lookup', () => bridge.lookup(channel, key)),
    read: (channel, query) => through('read', () => bridge.read(channel, query)),
    remove: (channel, removal) => through('remove', () => bridge.remove(channel, removal)),
    typing: (channel, userId, typing) => bridge.typing(channel, userId, typing),
    presenceAttach: (channel, userId, connectionId, limit) =>
      begin('presenceAttach', `${channel} ${connectionId}`, () => bridge.presenceAttach(channel, userId, connectionId, limit)),
    presenceDetach: (channel, userId, connectionId, linger) => through('presenceDetach', async () => {
      await begun.get(`${channel} ${connectionId}`)
      await bridge.presenceDetach(channel, userId, connectionId, linger)
    }),
    presenceUpdate: (channel, userId, update) => bridge.presenceUpdate(channel, userId, update),
    presenceRead: (channel) => bridge.presenceRead(channel),
    broadcast: (head) => bridge.broadcast(head),
    control: (command, timeout) => bridge.control(command, timeout),
    ask: (query, timeout) => bridge.ask(query, timeout),
    userConnect: (userId, connectionId, limit) => begin('userConnect', connectionId, () => bridge.userConnect(userId, connectionId, limit)),
    async userDisconnect (userId, connectionId) {
      await begun.get(connectionId)
      await bridge.userDisconnect(userId, connectionId)
    },
    putTicket: (id, value, ttl) => bridge.putTicket(id, value, ttl),
    takeTicket: (id) => bridge.takeTicket(id)
  }
}
