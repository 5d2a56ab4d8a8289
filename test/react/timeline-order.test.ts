// Whatever happens to a connection, a list shows a part of the log in its order, and says where it does not continue.
import fc from 'fast-check'
import t from 'tap'
import { createTimeline } from '../../lib/react/timeline.js'
import type { Timeline } from '../../lib/react/timeline.js'
import type { ClientMessage } from '../../types/client.js'

/** What may happen, with a number that says how much of it. */
const steps = ['other', 'send', 'apply', 'acknowledge', 'deliver', 'reset', 'newest', 'reconnect', 'older'] as const

type Step = readonly [what: typeof steps[number], much: number]

interface World {
  readonly timeline: Timeline
  perform (step: Step): void
  /** Whatever is on its way arrives, and some more. */
  finish (): void
}

/** A server's log and a client that hears of it; the `n`th message has the position `n`. A page is never larger than the list may be. */
function createWorld (limit: number, page: number): World {
  const timeline = createTimeline(({ userId }) => userId === 'ann')
  timeline.limit = limit
  const log: ClientMessage[] = []
  /** Keys that were sent and are not in the log yet, and messages that are and were not acknowledged. */
  const sent: string[] = []
  const applied: ClientMessage[] = []
  let keys = 0
  let delivered = 0

  const append = (userId: string, key?: string): ClientMessage => {
    const message = { roomId: 'chat:1', event: 'message', userId, content: log.length, timestamp: 1_000 + log.length, position: String(log.length), key }
    log.push(message)
    return message
  }
  const deliver = (count: number): void => {
    for (const message of log.slice(delivered, delivered + count)) timeline.receive(message)
    delivered = Math.min(log.length, delivered + count)
  }
  const lose = (): void => {
    delivered = log.length
    timeline.broken({ roomId: 'chat:1', reason: 'trimmed', position: String(delivered - 1) })
  }
  const acknowledge = (index: number): void => {
    for (const { key = '', timestamp, position } of applied.splice(index, 1)) timeline.acknowledged(key, { key, timestamp, position })
  }

  const acts: Record<typeof steps[number], (much: number) => void> = {
    other: () => append('bob'),
    send () {
      const key = `k${keys++}`
      timeline.add({ key, roomId: 'chat:1', event: 'message', content: key, timestamp: 0, userId: 'ann' })
      sent.push(key)
    },
    apply: () => { for (const key of sent.splice(0, 1)) applied.push(append('ann', key)) },
    acknowledge: (much) => acknowledge(applied.length === 0 ? 0 : much % applied.length),
    deliver,
    reset: lose,
    // As of now: what it has may be delivered only afterwards, though not all of it.
    newest () {
      deliver(Math.max(0, log.length - page + 1 - delivered))
      timeline.newest(log.slice(-page))
    },
    reconnect () {
      if (delivered === log.length) return
      lose()
      timeline.newest(log.slice(-page))
    },
    older (much) {
      const first = Number(timeline.first?.position ?? 0)
      timeline.older(log.slice(Math.max(0, first - much), first))
    }
  }
  for (let n = 0; n < 3; n++) append('bob')
  deliver(log.length)
  return {
    timeline,
    perform: ([what, much]) => acts[what](much),
    finish () {
      while (sent.length > 0) acts.apply(0)
      while (applied.length > 0) acknowledge(0)
      // A message without an echo waits until there is a later one.
      for (let n = 0; n < 4; n++) append('bob')
      deliver(log.length)
    }
  }
}

/** What is wrong with a list. */
function faultOf ({ messages, size }: Timeline): string | undefined {
  const list = messages.slice(0, size)
  if (new Set(messages.map(({ id }) => id)).size < messages.length) return 'two have one id'
  for (const [index, { position, gap }] of list.entries()) {
    const step = Number(position) - Number(list[index - 1]?.position ?? Number(position) - 1)
    if (step < 1) return `${position} is at the wrong place`
    if (step > 1 && gap === undefined) return `there is an unmarked gap before ${position}`
  }
}

const step: fc.Arbitrary<Step> = fc.tuple(fc.constantFrom(...steps), fc.integer({ min: 1, max: 4 }))

await t.test('in order, each once, and every gap marked, after every step', async () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(8), fc.array(step, { maxLength: 40 }), (page, spare, plan) => {
    const world = createWorld(page + spare, page)
    for (const step of plan) {
      world.perform(step)
      const fault = faultOf(world.timeline)
      if (fault !== undefined) throw new Error(`${fault}: ${world.timeline.messages.map(({ position, gap }) => `${gap === undefined ? '' : '|'}${position ?? '-'}`).join(' ')}`)
    }
    world.finish()
    const { messages, size } = world.timeline
    const fault = faultOf(world.timeline)
    if (fault !== undefined) throw new Error(`${fault} in the end`)
    if (messages.length > size) throw new Error('some wait for ever')
  }), { numRuns: 20_000 })
})
