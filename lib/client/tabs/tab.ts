import type { Socket, TabChannelClass, TabLocks } from '../../../types/client.js'
import { ignore } from '../errors.js'
import { systemClock } from '../environment.js'
import { onAway } from './environment.js'
import { createHub } from './hub.js'
import type { Hub } from './hub.js'
import type { Link, LinkEvents } from './virtual-socket.js'
import { isTabMessage } from './wire.js'
import type { End, TabMessage } from './wire.js'

/** Another tab takes over: reconnect at once, without the backoff of a connection that broke. */
const MOVE = '{"type":"goaway","reconnectIn":0}'

export interface TabOptions {
  /** Of the lock and the channel of all tabs that share a socket. */
  readonly name: string
  readonly locks: TabLocks
  readonly BroadcastChannel: TabChannelClass
  /** Take the lead from whoever has it: it did not answer. */
  readonly steal: boolean
  readonly events: LinkEvents
  /** Opens the real socket. */
  connect (): Socket
  /** The link was closed for want of an answer by the leader. */
  starved (): void
}

/**
 * One tab's link to the socket that all tabs share, from the moment its client wants a connection to the moment it does not.
 *
 * The tab that holds the lock is the leader: it has the hub with the real socket. It leads no longer than its own link lasts, so
 * the lead always is with somebody who wants a connection and has a credential for it. All others wait for the lock, and talk to
 * the leader through the channel. When there is another leader, every link to the former one is over. Each link has a lock of its
 * own too: the leader gets it when that tab is gone, by whatever way it went.
 */
export function createTab ({ name, locks, BroadcastChannel, steal, events, connect, starved }: TabOptions): Link {
  const id = systemClock.id()
  const channel = new BroadcastChannel(name)
  const over = new AbortController()
  const { signal } = over
  const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  /** Who serves this link. */
  let leader: string | undefined
  let hub: Hub | undefined
  /** This link's own lock is held: whoever is told of it now will notice its end. */
  let held = false

  function post (message: TabMessage): void {
    if (!signal.aborted) channel.postMessage(message)
  }

  function lockOf (link: string): string {
    return `${name} ${link}`
  }

  function lead (): Promise<void> | undefined {
    if (signal.aborted) return
    if (leader) {
      // The one that served this link is gone. Others may be quicker to connect than this one, so the lead is not kept.
      move()
      return
    }
    leader = id
    let socket: Socket
    try {
      socket = connect()
    } catch {
      // With what was given no socket can be made. The client asks the server why, and then for something else.
      finish({ opened: false })
      return
    }
    hub = createHub({ socket, clock: systemClock, own: id, send, drop, ended: finish })
    hub.attach(id)
    post({ type: 'leader', leader })
    return ended
  }

  // --- as the leader ---

  function send (links: readonly string[], text: string): void {
    const others = links.filter((link) => link !== id)
    if (others.length > 0) post({ type: 'down', leader: id, to: others, text })
    // As a socket would: never while the hub is at work.
    if (others.length < links.length) queueMicrotask(() => events.message(text))
  }

  function drop (link: string): void {
    const end: End = { code: 4410, opened: true }
    if (link === id) finish(end)
    else post({ type: 'over', leader: id, to: [link], end })
  }

  function accept (link: string): void {
    if (!hub) return
    post({ type: 'accepted', leader: id, to: [link] })
    hub.attach(link)
    locks.request(lockOf(link), { signal }, () => hub?.detach(link, 1006)).catch(ignore)
  }

  // --- the end ---

  /** Lets go of everything. */
  function release (code: number, reason: string, end: End): void {
    if (hub) post({ type: 'over', leader: id, end })
    else post({ type: 'bye', link: id, code })
    over.abort()
    channel.close()
    hub?.close(code, reason)
  }

  /** The real socket is gone, whoever had it. */
  function finish (end: End): void {
    const { code = 1006, reason = '', opened } = end
    release(code, reason, end)
    // Behind what came before.
    queueMicrotask(() => {
      if (opened) events.opened()
      events.closed(code, reason)
    })
  }

  /** Another tab has the lead now, or is to have it. */
  function move (): void {
    release(4000, '', { opened: true })
    events.message(MOVE)
  }

  function hear ({ data }: { data: unknown }): void {
    if (signal.aborted || !isTabMessage(data)) return
    const { type } = data
    if (type === 'open') accept(data.link)
    else if (type === 'bye') hub?.detach(data.link, data.code)
    else if (type === 'up') {
      if (data.leader === id) hub?.receive(data.link, data.text)
    } else if (hub) {
      // Two leaders there may be for a moment, where one took the lead from the other; the lock tells that one.
    } else if (type === 'leader') {
      if (!leader) open()
      else if (leader !== data.leader) move()
    } else if (type === 'accepted') {
      if (data.to.includes(id)) leader ??= data.leader
    } else if (data.leader !== leader) {
      // Of one that does not serve this link.
    } else if (type === 'down') {
      if (data.to.includes(id)) events.message(data.text)
    } else if (data.to?.includes(id) ?? true) {
      if (data.end.code === undefined) move()
      else finish(data.end)
    }
  }

  function open (): void {
    if (held) post({ type: 'open', link: id })
  }

  channel.onmessage = hear
  // The client is put away with the page, and learns of it when it is back.
  onAway(signal, () => release(4000, '', { opened: true }), () => events.message(MOVE))

  locks.request(lockOf(id), { signal }, () => {
    held = true
    open()
    return ended
  }).catch(ignore)
  locks.request(name, steal ? { steal } : { signal }, lead).catch(() => {
    // Taken by a tab to which this one looked dead; or locks are not to be had here, and everybody is alone.
    if (hub) move()
    else void lead()
  })

  return {
    send (text) {
      if (hub) hub.receive(id, text)
      else if (leader) post({ type: 'up', link: id, leader, text })
    },
    close (code, reason) {
      if (!leader && code === 4000) starved()
      release(code, reason, { opened: true })
    }
  }
}
