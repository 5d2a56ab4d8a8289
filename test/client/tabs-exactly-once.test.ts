import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import type { Client } from '../../lib/client/index.js'
import { createApp } from '../helpers/app.js'
import type { TestApp } from '../helpers/app.js'
import { seeded } from '../helpers/events.js'
import { createSdk, untilStatus } from '../helpers/sdk.js'
import { createBrowser, openTab } from '../helpers/tabs.js'
import type { TabSdk, TestBrowser } from '../helpers/tabs.js'

const many = { max: 1_000_000, timeWindow: '1s' }
const roomIds = ['chat:1', 'chat:2', 'chat:3']
const SEEDS = Number(process.env.TABS_SEEDS ?? 12)
const FIRST = Number(process.env.TABS_SEED ?? 1)
const STEPS = 60

type AnyRoom = ReturnType<Client['room']>

/** What one tab saw of one room, from its join to its end. */
interface Visit {
  readonly who: string
  readonly room: AnyRoom
  /** Where the membership began. */
  since?: string
  readonly positions: string[]
  /** It is in the room to the end of the test. */
  stays: boolean
}

interface Tab {
  readonly name: string
  readonly sdk: TabSdk
  readonly visits: Map<string, Visit>
  readonly directs: number[]
  /** Direct messages that had been sent when it was connected first. */
  knows?: number
}

class World {
  readonly tabs: Tab[] = []
  readonly gone: Tab[] = []
  readonly visits: Visit[] = []
  readonly complaints: string[] = []
  readonly published: Array<{ readonly content: string, readonly visit: Visit, readonly promise: Promise<unknown> }> = []
  directs = 0
  readonly #t: Test
  readonly #app: TestApp
  readonly #browser: TestBrowser = createBrowser()
  readonly #random: () => number
  #count = 0

  constructor (t: Test, app: TestApp, random: () => number) {
    this.#t = t
    this.#app = app
    this.#random = random
  }

  pick<Item> (items: readonly Item[]): Item | undefined {
    return items[Math.floor(this.#random() * items.length)]
  }

  open (): void {
    const name = `tab ${++this.#count}`
    const sdk = openTab(this.#t, this.#browser, this.#app, 'ann')
    const tab: Tab = { name, sdk, visits: new Map(), directs: [] }
    const { client } = sdk
    client.on('direct', ({ content }) => tab.directs.push(Number(content)))
    client.on('reset', (gap) => this.complaints.push(`${name}: gap in the inbox ${gap.reason}`))
    client.on('status', ({ state, reason, code }) => {
      if (state === 'connected') tab.knows ??= this.directs
      if (state === 'closed' && reason !== 'closed') this.complaints.push(`${name}: closed by ${reason} ${code}`)
    })
    this.tabs.push(tab)
    this.join(tab)
  }

  join (tab: Tab): void {
    const roomId = this.pick(roomIds) ?? ''
    if (tab.visits.has(roomId)) return
    const presence = this.#random() < 0.5
    const room = tab.sdk.client.room(roomId, { presence })
    const visit: Visit = { who: `${tab.name} in ${roomId}`, room, positions: [], stays: true }
    tab.visits.set(roomId, visit)
    this.visits.push(visit)
    const offs = [
      room.on('message', ({ position }) => visit.positions.push(position ?? '')),
      room.on('reset', (gap) => this.complaints.push(`${visit.who}: gap ${gap.reason}`)),
      room.on('error', (error) => this.complaints.push(`${visit.who}: ${String(error)}`)),
      room.onChange(() => {
        if (room.state === 'joined') visit.since ??= room.position
        if (room.state === 'left') for (const off of offs) off()
      })
    ]
  }

  leave (tab: Tab): void {
    const visit = this.pick([...tab.visits.values()])
    if (!visit) return
    tab.visits.delete(visit.room.id)
    visit.stays = false
    visit.room.leave()
  }

  publish (tab: Tab): void {
    const visit = this.pick([...tab.visits.values()])
    if (!visit) return
    const content = `${tab.name} ${this.#count++}`
    this.published.push({ content, visit, promise: visit.room.publish('message', content) })
  }

  end (tab: Tab): void {
    this.tabs.splice(this.tabs.indexOf(tab), 1)
    this.gone.push(tab)
    for (const visit of tab.visits.values()) visit.stays = false
  }

  close (tab: Tab): void {
    this.end(tab)
    tab.sdk.client.close()
  }

  crash (tab: Tab): void {
    this.end(tab)
    tab.sdk.crash()
  }

  /** The one real connection, whoever has it. */
  cut (): void {
    for (const { sdk } of this.tabs) for (const socket of sdk.sockets.all) if (socket.readyState <= socket.OPEN) socket.terminate()
  }
}

async function run (t: Test, seed: number): Promise<void> {
  const app = await createApp(t, {
    rooms: { 'chat:{id}': { join: () => true, publish: 'members', history: { size: 10_000, ttl: '10m' } } },
    limits: { messages: many, messagesPerUser: many, joins: many, handshakes: many, connectionsPerUser: 1000 },
    inbox: { size: 1_000, ttl: '1h' }
  })
  const { realtime } = app.app
  const random = seeded(seed)
  const world = new World(t, app, random)
  const bob = createSdk(t, app, 'bob')
  for (const roomId of roomIds) await bob.client.joinRoom(roomId)
  world.open()
  world.open()
  const noise: Array<Promise<unknown>> = []
  for (let step = 0; step < STEPS; step++) {
    const tab = world.pick(world.tabs)
    const dice = random()
    if (!tab || (dice < 0.1 && world.tabs.length < 4)) world.open()
    else if (dice < 0.2) world.join(tab)
    else if (dice < 0.25) world.leave(tab)
    else if (dice < 0.6) world.publish(tab)
    else if (dice < 0.65) world.close(tab)
    else if (dice < 0.7) world.crash(tab)
    else if (dice < 0.75) world.cut()
    for (const roomId of roomIds) if (random() < 0.5) noise.push(bob.client.room(roomId).publish('message', `bob ${step}`))
    if (random() < 0.5) noise.push(realtime.sendDirect('ann', 'note', world.directs++))
    for (let turns = Math.floor(random() * 12); turns > 0; turns--) await turn()
    if (random() < 0.1) await Promise.all(world.tabs.map(({ sdk }) => untilStatus(sdk.client, 'connected')))
  }
  await Promise.all(noise)
  await Promise.all(world.tabs.map(({ sdk }) => untilStatus(sdk.client, 'connected')))
  const lost = new Set<string>()
  await Promise.all(world.published.map(async ({ content, visit, promise }) => {
    try {
      await promise
      lost.add(content)
    } catch (error) {
      // Whoever leaves, or is gone, does not learn what became of it.
      if (visit.stays) world.complaints.push(`${content} was not published: ${String(error)}`)
    }
  }))
  // Whoever stays has to hear these two.
  const ends = world.tabs.flatMap(({ sdk: { client }, visits }) => [
    new Promise<void>((resolve) => client.on('direct', ({ content }) => { if (content === world.directs - 1) resolve() })),
    ...[...visits.values()].map(({ room }) => new Promise<void>((resolve) => {
      room.on('message', ({ content }) => { if (content === 'end') resolve() })
    }))
  ])
  await Promise.all(world.tabs.flatMap(({ visits }) => [...visits.values()].map(({ room }) => room.ready())))
  for (const roomId of roomIds) await realtime.notifyRoom(roomId, 'message', 'end')
  await realtime.sendDirect('ann', 'note', world.directs++)
  await Promise.all(ends)

  const carol = await app.connect('carol')
  for (const roomId of roomIds) {
    const { messages } = await carol.request({ type: 'join', roomId, since: 'start' })
    const log: string[] = messages.map(({ position }: { position: string }) => position)
    const contents: unknown[] = messages.map(({ content }: { content: unknown }) => content)
    for (const { who, room, since, positions, stays } of world.visits) {
      if (room.id !== roomId || since === undefined) continue
      const begin = log.indexOf(since) + 1
      const seen = log.slice(begin, stays ? undefined : begin + positions.length)
      if (JSON.stringify(seen) !== JSON.stringify(positions)) {
        world.complaints.push(`${who}: behind ${since} it saw ${positions.map((position) => log.indexOf(position))} of ${begin} to ${log.length - 1}`)
      }
    }
    const once = new Set(contents)
    if (once.size < contents.length) world.complaints.push(`${roomId} has something twice: ${contents.join()}`)
    for (const content of once) lost.delete(String(content))
  }
  for (const content of lost) world.complaints.push(`${content} was acknowledged and is nowhere`)
  for (const { name, directs, knows } of [...world.tabs, ...world.gone]) {
    const [first = 0] = directs
    if (directs.some((n, index) => n !== first + index)) world.complaints.push(`${name}: direct ${directs}`)
    if (directs.length > 0 && knows !== undefined && first > knows) world.complaints.push(`${name}: began with ${first}, not ${knows}`)
  }
  for (const { name, directs } of world.tabs) if (directs.at(-1) !== world.directs - 1) world.complaints.push(`${name}: ended with direct ${directs.at(-1)}`)
  for (const { name, sdk } of world.tabs) for (const error of sdk.errors) world.complaints.push(`${name}: ${String(error)}`)
  t.strictSame(world.complaints, [])
  t.equal((await realtime.stats()).activeConnections, world.tabs.length > 0 ? 3 : 2, 'ann has one connection')
  bob.client.close()
  for (const { sdk } of world.tabs) sdk.client.close()
}

await t.test('tabs come, go and crash, sockets break: every tab has every message of its rooms once, in order', async (t) => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    await t.test(`seed ${seed}`, (t) => run(t, seed))
  }
})
