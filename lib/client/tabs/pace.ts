import type { ClientClock } from '../../../types/client.js'

/** What part of the server's limits is used: the way there takes time, and the hub's answers to pings count too. */
const SHARE = 0.8

/** Frames of one tab that may wait. */
const MAX_WAITING = 1_000

interface Limit {
  readonly max: number
  /** In ms. */
  readonly window: number
}

/** Those of `welcome` that count frames. */
export interface Limits {
  readonly messages: Limit
  readonly joins?: Limit
}

/** How many of each limit something takes. */
export interface Cost {
  readonly messages: number
  readonly joins: number
}

/**
 * The order in which frames go to the server, and when: all tabs share the limits of one connection, and going over them would
 * close it for everybody. The frames of one tab keep their order, tabs take turns, and what they cause goes before what they say next.
 */
export interface Pace {
  /** Nothing goes before these are known. */
  start (limits: Limits): void
  /** A frame of a tab. False: too many of them wait. */
  enter (link: string, cost: Cost, run: () => void): boolean
  /** A frame of the hub's own. */
  ahead (cost: Cost, run: () => void): void
  /** Counts a frame that could not wait. */
  count (): void
  /** What a tab still wanted to say is not said. */
  drop (link: string): void
  end (): void
}

interface Item {
  readonly cost: Cost
  readonly run: () => void
}

export function createPace ({ wall, timeout }: Pick<ClientClock, 'wall' | 'timeout'>): Pace {
  const own: Item[] = []
  const queues = new Map<string, Item[]>()
  let messages: Bucket | undefined
  let joins: Bucket | undefined
  let cancel: (() => void) | undefined
  let pumping = false

  /** How long until there is enough for it, in ms; at 0 it is taken. */
  function take (cost: Cost, messages: Bucket, joins: Bucket): number {
    const now = wall()
    const wait = Math.max(messages.wait(cost.messages, now), joins.wait(cost.joins, now))
    if (wait > 0) return wait
    messages.take(cost.messages, now)
    joins.take(cost.joins, now)
    return 0
  }

  function next (): Item[] | undefined {
    if (own.length > 0) return own
    for (const queue of queues.values()) if (queue.length > 0) return queue
  }

  function pump (): void {
    // What runs may want something to run.
    if (pumping || cancel || !messages || !joins) return
    pumping = true
    for (let queue = next(); queue?.[0]; queue = next()) {
      const [item] = queue
      const wait = take(item.cost, messages, joins)
      if (wait > 0) {
        cancel = timeout(() => {
          cancel = undefined
          pump()
        }, wait)
        break
      }
      queue.shift()
      rotate(queue)
      item.run()
    }
    pumping = false
  }

  /** The tab that had its turn goes to the end of the line. */
  function rotate (served: Item[]): void {
    for (const [link, queue] of queues) {
      if (queue !== served) continue
      queues.delete(link)
      if (queue.length > 0) queues.set(link, queue)
      return
    }
  }

  return {
    start (limits) {
      messages = createBucket(limits.messages)
      joins = createBucket(limits.joins ?? limits.messages)
      pump()
    },
    enter (link, cost, run) {
      const queue = queues.get(link) ?? []
      if (queue.length >= MAX_WAITING) return false
      queues.set(link, queue)
      queue.push({ cost, run })
      pump()
      return true
    },
    ahead (cost, run) {
      own.push({ cost, run })
      pump()
    },
    count () {
      messages?.take(1, wall())
    },
    drop (link) {
      queues.delete(link)
    },
    end () {
      cancel?.()
      queues.clear()
      own.length = 0
      messages = undefined
    }
  }
}

interface Bucket {
  wait (count: number, now: number): number
  take (count: number, now: number): void
}

/** The server's token bucket as it must look from here, kept as the one moment at which it will be full again. */
function createBucket ({ max, window }: Limit): Bucket {
  let fullAt = 0

  function after (count: number, now: number): number {
    // More than there ever is at a time takes all there is.
    return Math.max(fullAt, now) + Math.min(count / max / SHARE, 1) * window
  }

  return {
    wait: (count, now) => count === 0 ? 0 : after(count, now) - now - window,
    take (count, now) {
      if (count > 0) fullAt = after(count, now)
    }
  }
}
