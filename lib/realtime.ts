import type { FastifyInstance } from 'fastify'
import type { PresencePage } from '../types/presence.js'
import type { BroadcastResult, PublishResult } from '../types/publish.js'
import type { ConnectionInfo, ConnectionList, ControlResult, DirectResult, HistoryMessage, RealtimeStats, RemoveResult } from '../types/realtime.js'
import { checkContent, checkDuration, checkEvent, checkLimit, checkOptionalBoolean, checkOptionalKey, checkOptionalText, checkOptions, checkRoomId, checkUserId } from './arguments.js'
import { roomChannel, userChannel } from './bridge/bridge.js'
import type { Bridge, Retention } from './bridge/bridge.js'
import { answerBudget } from './core/catch-up.js'
import { askNodes, controlNodes } from './core/cluster.js'
import type { NodeCounts } from './core/commands.js'
import type { RealtimeNode } from './core/node.js'
import { PresenceMirror } from './core/presence.js'
import { digest, validateForRoom } from './core/publish.js'
import { MAX_RECEIPT_TIMEOUT } from './core/receipts.js'
import type { RoomMatch } from './core/room.js'
import { declareCall, declareRoom } from './declare.js'
import type { DeclarationDefaults } from './declare.js'
import { errors } from './errors.js'
import type { LoopDelay } from './loop-delay.js'
import { broadcastHead, directHead } from './protocol/encode.js'
import { MAX_ANSWER_MESSAGES, MAX_HISTORY_LIMIT, PRESENCE_PAGE, USER_UPDATE_EVENT } from './protocol/frames.js'
import { formatPosition } from './protocol/position.js'
import type { GapReason } from './protocol/frames.js'
import { available, settled } from './results.js'

/** What every instance's `fastify.realtime` shares. */
export interface RealtimeParts {
  readonly node: RealtimeNode
  readonly bridge: Bridge
  readonly inbox: Retention
  readonly defaults: DeclarationDefaults
  readonly loopDelay: LoopDelay
}

/** Longest reason of a removal or a disconnection: a close frame holds 123 bytes. */
const MAX_REASON = 123

/** Connections one answer lists. */
const MAX_CONNECTIONS = 10_000

const RECEIPT_TIMEOUT = 5_000

/** What a receipt may take beyond its timeout on the way between nodes, in ms. */
const RECEIPT_MARGIN = 1_000

/**
 * The object behind `fastify.realtime`, as seen by one instance: what is declared through it belongs to that instance. The
 * types users see are in types/realtime.ts; here the arguments are checked for those who do not use them.
 */
export class RealtimeFacade {
  readonly #parts: RealtimeParts
  readonly #server: FastifyInstance

  constructor (parts: RealtimeParts, server: FastifyInstance) {
    this.#parts = parts
    this.#server = server
    // Methods that were taken off the object keep working: `const { notifyRoom } = fastify.realtime`.
    for (const name of Object.getOwnPropertyNames(RealtimeFacade.prototype)) {
      const method: unknown = Reflect.get(RealtimeFacade.prototype, name)
      if (name !== 'constructor' && typeof method === 'function') Object.defineProperty(this, name, { value: method.bind(this), enumerable: true })
    }
    Object.freeze(this)
  }

  async notifyRoom (roomId: string, event: string, content: unknown, options?: object): Promise<PublishResult> {
    const { key, userId } = checkOptions(options, ['key', 'userId'])
    const match = this.#match(roomId)
    const name = checkEvent(event)
    const sender = userId === undefined ? null : checkUserId(userId, 'options.userId')
    const text = await this.#contentFor(match, name, content)
    return await settled(this.#parts.node.publisher.fromServer(match, { event: name, content: text, userId: sender, key: checkOptionalKey(key) }))
  }

  async sendDirect (userId: string, event: string, content: unknown, options?: object): Promise<DirectResult> {
    const { bridge, node, inbox } = this.#parts
    const { key, userId: from, receipt, timeout } = checkOptions(options, ['key', 'userId', 'receipt', 'timeout'])
    const to = checkUserId(userId)
    const name = checkEvent(event)
    const sender = from === undefined ? null : checkUserId(from, 'options.userId')
    const wantsReceipts = checkOptionalBoolean(receipt, 'options.receipt') === true
    const patience = checkDuration(timeout, 'options.timeout', RECEIPT_TIMEOUT, MAX_RECEIPT_TIMEOUT)
    const named = checkOptionalKey(key)
    const text = checkContent(content, node.publisher.contentLimits)
    const { position = '', ...result } = await settled(bridge.publish({
      channel: userChannel(to),
      head: directHead({ event: name, userId: sender, content: text, receipt: wantsReceipts }),
      retention: inbox,
      key: named === undefined ? undefined : node.publisher.key('s', named, digest(name, text)),
      receipt: wantsReceipts
    }))
    if (!wantsReceipts) return { position, ...result }
    const answers = await available(askNodes(bridge, { type: 'receipts', userId: to, position, timeout: patience }, patience + RECEIPT_MARGIN))
    const received = answers.results.flatMap((state) => state.received)
    const missing = answers.results.flatMap((state) => state.missing)
    return { position, ...result, receipts: { received, missing } }
  }

  async broadcastUserUpdate (userId: string, content: unknown): Promise<PublishResult> {
    return await this.notifyRoom(`user:${checkUserId(userId)}`, USER_UPDATE_EVENT, content)
  }

  async broadcast (event: string, content: unknown): Promise<BroadcastResult> {
    const { node, bridge } = this.#parts
    const text = checkContent(content, node.publisher.contentLimits)
    const { timestamp } = await available(bridge.broadcast(broadcastHead(checkEvent(event), text)))
    return { timestamp }
  }

  room (patternOrRooms: unknown, policy?: unknown): void {
    const { node, defaults } = this.#parts
    if (typeof patternOrRooms === 'string') {
      declareRoom(node, this.#server, defaults, patternOrRooms, policy)
    } else if (typeof patternOrRooms === 'object' && patternOrRooms !== null && policy === undefined) {
      for (const [pattern, each] of Object.entries(patternOrRooms)) declareRoom(node, this.#server, defaults, pattern, each)
    } else {
      throw new errors.RT_ERR_BAD_ARGUMENT('room takes a pattern and its policy, or an object of policies by pattern')
    }
  }

  handle (eventOrCall: unknown, options?: unknown, handler?: unknown): void {
    const { node } = this.#parts
    if (isCallDefinition(eventOrCall) && options === undefined) {
      const { event, schema } = eventOrCall
      declareCall(node, this.#server, event, schema === undefined ? undefined : { schema }, eventOrCall.handler)
    } else {
      declareCall(node, this.#server, eventOrCall, options, handler)
    }
  }

  async presence (roomId: string, options?: object): Promise<PresencePage> {
    const { node, bridge } = this.#parts
    const { after, limit } = checkOptions(options, ['after', 'limit'])
    const match = this.#match(roomId)
    const from = after === undefined ? undefined : checkUserId(after, 'options.after')
    if (match.value.presence === null) throw new errors.RT_ERR_BAD_ARGUMENT('roomId names a room without presence')
    const size = checkLimit(limit, PRESENCE_PAGE, PRESENCE_PAGE)
    const local = node.rooms.local(match.roomId)
    // A channel that nobody follows may still be on its way to its first snapshot.
    if (local !== undefined && local.size > 0 && local.view.mirror !== null) return local.view.mirror.page(from, answerBudget(), size)
    const mirror = new PresenceMirror()
    mirror.replace(await available(bridge.presenceRead(roomChannel(match.roomId))))
    return mirror.page(from, answerBudget(), size)
  }

  async history (roomId: string, options?: object): Promise<{ messages: HistoryMessage[], position?: string, more?: boolean, reason?: GapReason }> {
    const { before, after, limit } = checkOptions(options, ['before', 'after', 'limit'])
    const match = this.#match(roomId)
    const older = checkOptionalText(before, 'options.before', 100)
    const newer = checkOptionalText(after, 'options.after', 100)
    if (older !== undefined && newer !== undefined) throw new errors.RT_ERR_BAD_ARGUMENT('options.before and options.after exclude each other')
    if (match.value.retention === null) throw new errors.RT_ERR_BAD_ARGUMENT('roomId names a room without history')
    const size = checkLimit(limit, MAX_HISTORY_LIMIT, MAX_HISTORY_LIMIT)
    const bounds = { limit: size, maxBytes: MAX_ANSWER_MESSAGES }
    const query = older !== undefined ? { before: older, ...bounds } : newer !== undefined ? { after: newer, ...bounds } : { last: size, ...bounds }
    const { entries, head, gap, more } = await available(this.#parts.bridge.read(roomChannel(match.roomId), query))
    return {
      messages: entries.map(({ payload }) => readMessage(payload)),
      position: formatPosition(head),
      ...(more ? { more } : {}),
      ...(gap === undefined ? {} : { reason: gap })
    }
  }

  async connections (filter?: object): Promise<ConnectionList> {
    const { userId, roomId, limit } = checkOptions(filter, ['userId', 'roomId', 'limit'])
    const size = checkLimit(limit, 100, MAX_CONNECTIONS)
    const { results, unreachable } = await available(askNodes(this.#parts.bridge, {
      type: 'connections',
      userId: userId === undefined ? undefined : checkUserId(userId),
      roomId: roomId === undefined ? undefined : checkRoomId(roomId),
      limit: size
    }))
    const connections: ConnectionInfo[] = results.flat().slice(0, size)
    return { connections, unreachable }
  }

  async stats (): Promise<RealtimeStats> {
    const { bridge, node, loopDelay } = this.#parts
    const { results, unreachable } = await available(askNodes(bridge, { type: 'stats' }))
    const sum = (count: (counts: NodeCounts) => number): number => results.reduce((total, counts) => total + count(counts), 0)
    return {
      activeConnections: sum((counts) => counts.activeConnections),
      rooms: sum((counts) => counts.rooms),
      users: sum((counts) => counts.users),
      messagesIn: sum((counts) => counts.messagesIn),
      messagesOut: sum((counts) => counts.messagesOut),
      envelopesDropped: sum((counts) => counts.envelopesDropped),
      outboxBytes: node.flusher.queuedBytes,
      eventLoopDelay: loopDelay.read(),
      unreachable
    }
  }

  async joinUser (userId: string, roomId: string): Promise<ControlResult> {
    const { roomId: id } = this.#match(roomId)
    const { results, unreachable } = await available(controlNodes(this.#parts.bridge, { type: 'join-user', userId: checkUserId(userId), roomId: id }))
    return { connections: total(results), unreachable }
  }

  async removeUser (userId: string, roomId: string, reason?: string): Promise<RemoveResult> {
    const match = this.#match(roomId)
    const user = checkUserId(userId)
    const { retention } = match.value
    const removal = { userId: user, reason: checkOptionalText(reason, 'reason', MAX_REASON), retention }
    const { position } = await available(this.#parts.bridge.remove(roomChannel(match.roomId), removal))
    return retention === null ? {} : { position: formatPosition(position) }
  }

  async disconnectUser (userId: string, reason?: string): Promise<ControlResult> {
    const { results, unreachable } = await available(controlNodes(this.#parts.bridge, {
      type: 'disconnect-user',
      userId: checkUserId(userId),
      reason: checkOptionalText(reason, 'reason', MAX_REASON) ?? 'access withdrawn'
    }))
    return { connections: total(results), unreachable }
  }

  addHook (name: string, fn: unknown): void {
    const { hooks } = this.#parts.node
    if (typeof fn !== 'function') throw new errors.RT_ERR_HOOK(`the ${String(name).slice(0, 64)} hook must be a function`)
    const call = (...args: unknown[]): unknown => fn(...args)
    const server = this.#server
    switch (name) {
      case 'onConnect': hooks.onConnect.push({ server, fn: call }); return
      case 'onJoin': hooks.onJoin.push({ server, fn: call }); return
      case 'onMessage': hooks.onMessage.push({ server, fn: call }); return
      case 'onLeave': hooks.onLeave.push({ server, fn: call }); return
      case 'onDisconnect': hooks.onDisconnect.push({ server, fn: call }); return
      default: throw new errors.RT_ERR_HOOK(`${JSON.stringify(String(name).slice(0, 64))} is not one of onConnect, onJoin, onMessage, onLeave, onDisconnect`)
    }
  }

  #match (roomId: unknown): RoomMatch {
    const id = checkRoomId(roomId)
    const match = this.#parts.node.rooms.match(id)
    if (match === null) throw new errors.RT_ERR_UNKNOWN_ROOM(JSON.stringify(id))
    return match
  }

  /** What the server says is held to the same schemas; a copy is checked, because validators change what they check. */
  async #contentFor ({ value: policy }: RoomMatch, event: string, content: unknown): Promise<string> {
    const { contentLimits } = this.#parts.node.publisher
    const text = checkContent(content, contentLimits)
    if (policy.events === null) return text
    const validation = await validateForRoom(policy, event, JSON.parse(text))
    if ('unknownEvent' in validation) throw new errors.RT_ERR_UNKNOWN_EVENT(`${event} (room pattern ${policy.pattern})`)
    if ('invalid' in validation) throw new errors.RT_ERR_INVALID_CONTENT(validation.invalid)
    return checkContent(validation.content, contentLimits)
  }
}

function total (counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

function readMessage (payload: Buffer): HistoryMessage {
  const { type, roomId, ...message } = JSON.parse(payload.toString())
  return message
}

function isCallDefinition (value: unknown): value is { event: unknown, schema?: unknown, handler: unknown } {
  return typeof value === 'object' && value !== null && 'event' in value && 'handler' in value
}
