import type { Clock } from '../../clock.js'
import type { Member } from '../../../types/presence.js'
import { INITIAL_STATUS } from '../bridge.js'
import type { ChannelName, PresenceEvent, PresenceSnapshot, PresenceUpdate } from '../bridge.js'
import type { Agenda } from '../agenda.js'

interface MemberState {
  readonly userId: string
  readonly connections: Set<string>
  status: string
  meta: unknown
  /** While no connection is left: when the member leaves. `Infinity` otherwise. */
  leavesAt: number
}

interface Room {
  version: number
  readonly members: Map<string, MemberState>
  /** Somebody mirrors it, so that its version has to go on counting while nobody is in. */
  pinned: boolean
}

export type PresenceAnnounce = (channel: ChannelName, event: PresenceEvent) => void

/** Who is in which room. Every change is announced with a version one higher than the last. */
export class PresenceStore {
  readonly #clock: Clock
  readonly #agenda: Agenda
  readonly #announce: PresenceAnnounce
  readonly #rooms = new Map<ChannelName, Room>()
  /** No room starts below it, so that versions never go back although empty rooms are forgotten. */
  #floor = 0

  constructor (clock: Clock, agenda: Agenda, announce: PresenceAnnounce) {
    this.#clock = clock
    this.#agenda = agenda
    this.#announce = announce
  }

  /** False: no place is left for one more member. */
  attach (channel: ChannelName, userId: string, connectionId: string, limit: number): boolean {
    const known = this.#rooms.get(channel)
    const member = known?.members.get(userId)
    if (known === undefined || member === undefined) {
      if ((known?.members.size ?? 0) >= limit) return false
      const room = this.#open(channel)
      const joined: MemberState = {
        userId, connections: new Set([connectionId]), status: INITIAL_STATUS, meta: undefined, leavesAt: Infinity
      }
      room.members.set(userId, joined)
      this.#changed(channel, room, joined, 'joined')
      return true
    }
    if (member.connections.has(connectionId)) return true
    member.connections.add(connectionId)
    member.leavesAt = Infinity
    this.#changed(channel, known, member, 'devices')
    return true
  }

  detach (channel: ChannelName, userId: string, connectionId: string, linger: number): void {
    const room = this.#rooms.get(channel)
    const member = room?.members.get(userId)
    if (room === undefined || member === undefined || !member.connections.delete(connectionId)) return
    if (member.connections.size === 0) {
      if (linger <= 0) {
        this.#leave(channel, room, member)
        return
      }
      this.#linger(channel, room, member, linger)
    }
    this.#changed(channel, room, member, 'devices')
  }

  update (channel: ChannelName, userId: string, update: PresenceUpdate): boolean {
    const room = this.#rooms.get(channel)
    const member = room?.members.get(userId)
    if (room === undefined || member === undefined) return false
    const status = update.status ?? member.status
    const meta = update.meta === undefined ? member.meta : update.meta ?? undefined
    if (status === member.status && JSON.stringify(meta) === JSON.stringify(member.meta)) return true
    member.status = status
    member.meta = meta
    this.#changed(channel, room, member, 'updated')
    return true
  }

  read (channel: ChannelName): PresenceSnapshot {
    const room = this.#rooms.get(channel)
    if (room === undefined) return { version: this.#floor, members: [] }
    return { version: room.version, members: Array.from(room.members.values(), publicState) }
  }

  pin (channel: ChannelName): PresenceSnapshot {
    this.#open(channel).pinned = true
    return this.read(channel)
  }

  unpin (channel: ChannelName): void {
    const room = this.#rooms.get(channel)
    if (room === undefined) return
    room.pinned = false
    this.#settle(channel, room)
  }

  close (): void {
    this.#rooms.clear()
  }

  #open (channel: ChannelName): Room {
    let room = this.#rooms.get(channel)
    if (room === undefined) {
      room = { version: this.#floor, members: new Map(), pinned: false }
      this.#rooms.set(channel, room)
    }
    return room
  }

  #linger (channel: ChannelName, room: Room, member: MemberState, linger: number): void {
    const leavesAt = this.#clock.now() + linger
    member.leavesAt = leavesAt
    this.#agenda.plan(leavesAt, {
      run: now => {
        // A reconnect in between, and a later grace that is still running, make this one void.
        if (member.leavesAt <= now && room.members.get(member.userId) === member) this.#leave(channel, room, member)
      }
    })
  }

  #leave (channel: ChannelName, room: Room, member: MemberState): void {
    room.members.delete(member.userId)
    this.#changed(channel, room, member, 'left')
    this.#settle(channel, room)
  }

  #changed (channel: ChannelName, room: Room, member: MemberState, change: PresenceEvent['change']): void {
    room.version++
    this.#announce(channel, { version: room.version, change, member: publicState(member), timestamp: this.#clock.wall() })
  }

  #settle (channel: ChannelName, room: Room): void {
    if (room.pinned || room.members.size > 0) return
    this.#floor = Math.max(this.#floor, room.version)
    this.#rooms.delete(channel)
  }
}

function publicState (member: MemberState): Member {
  const { userId, status, meta, connections } = member
  return { userId, status, ...(meta !== undefined && { meta }), devices: connections.size }
}
