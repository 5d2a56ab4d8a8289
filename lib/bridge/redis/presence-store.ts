import type { Clock } from '../../clock.js'
import { INITIAL_STATUS } from '../bridge.js'
import type { ChannelName, PresenceSnapshot, PresenceUpdate, BridgeError } from '../bridge.js'
import type { Agenda } from '../agenda.js'
import { presenceHolding } from './holdings.js'
import type { Holdings } from './holdings.js'
import { Lanes } from './holdings-lanes.js'
import type { Change } from './holdings-lanes.js'
import type { Incarnation, Lease } from './lease.js'
import type { Names } from './names.js'
import type { PlacedSnapshot, PresencePlace } from './presence-follower.js'
import { readPresence } from './presence-read.js'
import { loadScript } from './script.js'
import { listOf } from './store.js'
import type { Reply, Store } from './store.js'

const APPLY = loadScript('sender', 'presence', 'presence-apply')
const SWEEP = loadScript('sender', 'presence', 'presence-sweep')

export interface PresenceStoreOptions {
  readonly clock: Clock
  readonly names: Names
  readonly agenda: Agenda
  readonly lease: Lease
  readonly holdings: Holdings
  /** Where a room's presence is. */
  storeOf (channel: ChannelName): Store
  /** Resolves when this node, if it follows the room's presence, has been told all up to there. */
  heard (channel: ChannelName, place: PresencePlaceOf): Promise<void>
}

type PresencePlaceOf = Pick<PresencePlace, 'epoch' | 'version'>

/** What the script says of one change, and of the room after all of them. */
interface Answer {
  readonly text: string
  readonly place: PresencePlaceOf
}

/** A connection that this node wants to be in a room. */
interface Attachment {
  /** The store has it. */
  confirmed: boolean
  /** It is wanted no more. */
  ended: boolean
}

/** A member by connections of this node. */
interface LocalMember {
  readonly connections: Map<string, Attachment>
  /** The last update as this node knows it (its time, status and meta), for a store that loses it. */
  state: string
}

interface Room {
  readonly members: Map<string, LocalMember>
  /** Members who linger in this node's keeping: when it looks after them, by its own clock. */
  readonly lingering: Map<string, number>
}

const NOTHING_KNOWN = `0\n${JSON.stringify(INITIAL_STATUS)}\n`

/**
 * Who is in which room, in the store; and what of it is this node's, which the store is given again whenever it may have lost it.
 */
export class PresenceStore {
  readonly #options: PresenceStoreOptions
  readonly #lanes: Lanes<ChannelName, Answer>
  readonly #rooms = new Map<ChannelName, Room>()

  constructor (options: PresenceStoreOptions) {
    this.#options = options
    const { clock, lease, holdings } = options
    this.#lanes = new Lanes({
      clock,
      lease,
      holdings,
      holding: presenceHolding,
      wanted: (channel) => this.#rooms.has(channel),
      send: async (channel, { incarnation, number }, args) => {
        const { names, storeOf } = options
        const head = [incarnation.nodeId, incarnation.number, number, storeOf(channel).fanOut, names.channel(channel), clock.id()]
        const [status, epoch, version, ...texts] = listOf(await this.#run(APPLY, channel, [...head, ...args]))
        if (String(status) !== 'ok') return String(status) === 'dead' ? 'dead' : 'stale'
        const place = { epoch: String(epoch), version: Number(version) }
        return texts.map((text) => ({ text: String(text), place }))
      }
    })
  }

  /** Rooms in which this node has somebody. */
  get size (): number {
    return this.#rooms.size
  }

  async attach (channel: ChannelName, userId: string, connectionId: string, limit: number): Promise<boolean> {
    const room = this.#room(channel)
    let member = room.members.get(userId)
    if (member === undefined) room.members.set(userId, member = { connections: new Map(), state: NOTHING_KNOWN })
    const { connections } = member
    const attachment = connections.get(connectionId) ?? { confirmed: false, ended: false }
    connections.set(connectionId, attachment)
    const answer = await new Promise<Answer | null>((resolve, reject) => {
      this.#lanes.add(channel, {
        durable: false,
        holds: true,
        write: () => attachment.ended ? null : ['attach', userId, connectionId, limit === Infinity ? '' : limit, '', ''],
        settle: (answer, incarnation) => {
          if (answer !== null && answer.text === '') this.#end(channel, userId, connectionId, attachment)
          else if (answer !== null) this.#attached(channel, userId, connectionId, attachment, answer.text, incarnation)
          resolve(answer)
        },
        fail: (error) => {
          this.#end(channel, userId, connectionId, attachment)
          reject(error)
          return error.code === 'timeout' ? this.#detaching(channel, userId, connectionId, 0) : null
        }
      })
    })
    // It ended before it began.
    if (answer === null) return true
    if (answer.text === '') return false
    try {
      await this.#options.heard(channel, answer.place)
    } catch (error) {
      if (!attachment.ended) this.detach(channel, userId, connectionId, 0).catch(() => {})
      throw error
    }
    return true
  }

  detach (channel: ChannelName, userId: string, connectionId: string, linger: number): Promise<void> {
    const attachment = this.#rooms.get(channel)?.members.get(userId)?.connections.get(connectionId)
    if (attachment !== undefined) this.#end(channel, userId, connectionId, attachment)
    return new Promise((resolve, reject) => {
      this.#lanes.add(channel, this.#detaching(channel, userId, connectionId, linger, resolve, reject))
    })
  }

  update (channel: ChannelName, userId: string, { status, meta }: PresenceUpdate): Promise<boolean> {
    const texts = [status === undefined ? '' : JSON.stringify(status), meta === undefined ? '' : meta === null ? '-' : JSON.stringify(meta)]
    return new Promise((resolve, reject) => {
      this.#lanes.add(channel, {
        durable: false,
        holds: false,
        write: () => ['update', userId, ...texts, '', ''],
        settle: (answer) => {
          const text = answer?.text ?? ''
          const member = this.#rooms.get(channel)?.members.get(userId)
          if (member !== undefined && text !== '') member.state = text
          resolve(text !== '')
        },
        fail: (error) => {
          reject(error)
          return null
        }
      })
    })
  }

  async read (channel: ChannelName): Promise<PresenceSnapshot> {
    const { version, members } = await this.#read(channel, '', null)
    return { version, members }
  }

  /** For who follows the room: from now on its versions go on counting while nobody is in. */
  async snapshot (channel: ChannelName): Promise<PlacedSnapshot> {
    return await this.#read(channel, this.#options.clock.id(), null)
  }

  /** The same where a follower may have missed something; `null`: it did not. */
  async changed (channel: ChannelName, known: PresencePlace): Promise<PlacedSnapshot | null> {
    const snapshot = await this.#read(channel, this.#options.clock.id(), known)
    return snapshot.epoch === known.epoch && snapshot.version === known.version && snapshot.chain === known.chain ? null : snapshot
  }

  /** Takes from a room what a dead incarnation left there. Resolves with how long in ms somebody still lingers; 0: nobody does. */
  async sweep (channel: ChannelName, dead: Incarnation): Promise<number> {
    const { clock, names, storeOf } = this.#options
    let cursor = '0'
    let waits = 0
    do {
      const args = [dead.nodeId, dead.number, clock.id(), storeOf(channel).fanOut, names.channel(channel), cursor]
      const [next, wait] = listOf(await this.#run(SWEEP, channel, args)).map(String)
      cursor = next ?? '0'
      waits = Math.max(waits, Number(wait))
    } while (cursor !== '0')
    return waits
  }

  /** Gives the store again what this node has in a room, or in all. */
  restore (channel?: ChannelName): void {
    const channels = channel === undefined ? this.#rooms.keys() : [channel]
    for (const each of channels) {
      for (const [userId, { connections }] of this.#rooms.get(each)?.members ?? []) {
        for (const [connectionId, attachment] of connections) if (attachment.confirmed) this.#restore(each, userId, connectionId, attachment)
      }
    }
  }

  /** Keeps a room's presence from running out. False: it is gone. */
  async renew (channel: ChannelName, ttl: number): Promise<boolean> {
    const { storeOf, names } = this.#options
    // Where it has nobody by now, a room may be empty, which is not kept for so long.
    if (!this.wants(channel)) return true
    return await storeOf(channel).command('pexpire', names.key(channel, 'presence'), ttl) === 1
  }

  wants (channel: ChannelName): boolean {
    return (this.#rooms.get(channel)?.members.size ?? 0) > 0
  }

  restored (incarnation: Incarnation): boolean {
    return this.#lanes.restored(incarnation)
  }

  resume (): void {
    this.#lanes.resume()
  }

  close (): void {
    this.#lanes.close()
    this.#rooms.clear()
  }

  #room (channel: ChannelName): Room {
    let room = this.#rooms.get(channel)
    if (room === undefined) this.#rooms.set(channel, room = { members: new Map(), lingering: new Map() })
    return room
  }

  #run (script: typeof APPLY, channel: ChannelName, args: ReadonlyArray<string | number>): Promise<Reply> {
    const { storeOf, names } = this.#options
    return storeOf(channel).run(script, [names.key(channel, 'presence'), names.key(channel, 'presence-senders')], args)
  }

  #read (channel: ChannelName, epoch: string, known: PresencePlace | null): Promise<PlacedSnapshot> {
    return readPresence(this.#options.storeOf(channel), this.#options.names, channel, epoch, known)
  }

  #attached (
    channel: ChannelName, userId: string, connectionId: string, attachment: Attachment, state: string, incarnation: Incarnation | null
  ): void {
    if (attachment.ended) return
    attachment.confirmed = true
    const room = this.#rooms.get(channel)
    const member = room?.members.get(userId)
    if (member !== undefined) member.state = state
    room?.lingering.delete(userId)
    // Meanwhile all that this node has was given to another incarnation, but this.
    if (incarnation !== this.#options.lease.incarnation) this.#restore(channel, userId, connectionId, attachment)
  }

  #restore (channel: ChannelName, userId: string, connectionId: string, attachment: Attachment): void {
    this.#lanes.add(channel, {
      durable: true,
      holds: true,
      restores: true,
      write: () => {
        if (attachment.ended) return null
        const [stamp = '0', status = '', meta = ''] = (this.#rooms.get(channel)?.members.get(userId)?.state ?? NOTHING_KNOWN).split('\n')
        return ['restore', userId, connectionId, stamp, status, meta]
      },
      settle: (answer, incarnation) => {
        if (answer !== null) this.#attached(channel, userId, connectionId, attachment, answer.text, incarnation)
      },
      fail: () => null
    })
  }

  #end (channel: ChannelName, userId: string, connectionId: string, attachment: Attachment): void {
    attachment.ended = true
    const room = this.#rooms.get(channel)
    const member = room?.members.get(userId)
    if (room === undefined || member?.connections.get(connectionId) !== attachment) return
    member.connections.delete(connectionId)
    if (member.connections.size === 0) room.members.delete(userId)
    this.#settle(channel, room)
  }

  #detaching (
    channel: ChannelName, userId: string, connectionId: string, linger: number,
    resolve: () => void = () => {}, reject: (error: BridgeError) => void = () => {}
  ): Change<Answer> {
    const { clock } = this.#options
    const deadline = clock.now() + linger
    return {
      durable: true,
      holds: linger > 0,
      write: () => ['detach', userId, connectionId, linger > 0 ? Math.max(0, Math.ceil(deadline - clock.now())) : 0, '', ''],
      settle: (answer) => {
        const left = Number(answer?.text)
        if (left > 0) this.#lingers(channel, userId, left)
        resolve()
      },
      fail: (error) => {
        reject(error)
        return null
      }
    }
  }

  /** Looks after a member when the time is over. The store decides whether it leaves. */
  #lingers (channel: ChannelName, userId: string, ms: number): void {
    const { clock, agenda } = this.#options
    const due = clock.now() + ms
    const room = this.#room(channel)
    room.lingering.set(userId, due)
    agenda.plan(due, {
      run: () => {
        if (room.lingering.get(userId) !== due) return
        this.#lanes.add(channel, {
          durable: true,
          holds: false,
          write: () => room.lingering.get(userId) === due ? ['leave', userId, '', '', '', ''] : null,
          settle: (answer) => {
            if (room.lingering.get(userId) !== due) return
            const left = Number(answer?.text)
            if (left > 0) this.#lingers(channel, userId, left)
            else {
              room.lingering.delete(userId)
              this.#settle(channel, room)
            }
          },
          fail: () => null
        })
      }
    })
  }

  #settle (channel: ChannelName, room: Room): void {
    if (room.members.size === 0 && room.lingering.size === 0 && this.#rooms.get(channel) === room) this.#rooms.delete(channel)
  }
}
