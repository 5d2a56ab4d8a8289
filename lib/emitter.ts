import type { Emitter, EmitterOptions } from '../types/emitter.js'
import type { PresencePage } from '../types/presence.js'
import type { BroadcastResult, PublishResult } from '../types/publish.js'
import type { RegisteredApi } from '../types/register.js'
import { checkContent, checkEvent, checkLimit, checkOptionalKey, checkOptions, checkRoomId, checkUserId } from './arguments.js'
import { roomChannel, userChannel } from './bridge/bridge.js'
import type { ChannelName, IdempotencyKey } from './bridge/bridge.js'
import { systemClock } from './clock.js'
import { answerBudget } from './core/catch-up.js'
import { PresenceMirror } from './core/presence.js'
import { digest, idempotencyKey, MAX_CONTENT_BYTES } from './core/publish.js'
import { Link } from './emitter/link.js'
import { resolveEmitterOptions } from './emitter/options.js'
import type { Bounds } from './emitter/options.js'
import { broadcastHead, directHead, messageHead } from './protocol/encode.js'
import { PRESENCE_PAGE, USER_UPDATE_EVENT } from './protocol/frames.js'
import { available, settled } from './results.js'

export type { AnyApi, ApiOf } from '../types/api.js'
export type { Duration } from '../types/duration.js'
export type * from '../types/emitter.js'
export type * from '../types/presence.js'
export type * from '../types/publish.js'
export type * from '../types/redis.js'
export type * from '../types/register.js'
export type * from '../types/retention.js'

/** What every node lets through by default, `limits.depth`. */
const CONTENT = { depth: 32, bytes: MAX_CONTENT_BYTES }

/**
 * An emitter, which connects at once: calls before that wait for it, at most as long as `redis.timeout`. While Redis is away they are
 * refused, and when it is back they are taken again.
 *
 * @throws RT_ERR_OPTION, RT_ERR_PATTERN
 * @example
 * ```ts
 * import { createEmitter } from 'fastify-realtime/emitter'
 *
 * const emitter = createEmitter<Api>({ redis: process.env.REDIS_URL })
 * await emitter.notifyRoom('chat:42', 'order', { id: 5 }, { key: 'order-5' }) // again under this key: published once all the same
 * await emitter.sendDirect('ann', 'shipped', { orderId: 5 })
 * await emitter.close()
 * ```
 */
export function createEmitter<Api = RegisteredApi> (options: EmitterOptions): Emitter<Api>
export function createEmitter (options: unknown): Emitter<unknown> {
  const { redis, inbox, room, keyTtl, onError } = resolveEmitterOptions(options)
  const link = new Link(redis, systemClock, onError)

  /** A message under the sender and the key that the options of a call name. */
  async function publish (
    channel: ChannelName, bounds: Bounds, event: string, content: unknown, options: object | undefined,
    headOf: (message: { event: string, userId: string | null, content: string, key?: string }) => string
  ): Promise<PublishResult> {
    const { key, userId } = checkOptions(options, ['key', 'userId'])
    const name = checkEvent(event)
    const sender = userId === undefined ? null : checkUserId(userId, 'options.userId')
    const named = checkOptionalKey(key)
    const text = checkContent(content, CONTENT)
    const idempotency: IdempotencyKey | undefined = named === undefined ? undefined : idempotencyKey('s', named, digest(name, text), keyTtl)
    return await settled(link.publish({ channel, head: headOf({ event: name, userId: sender, content: text, key: named }), bounds, key: idempotency }))
  }

  async function notifyRoom (roomId: string, event: string, content: unknown, options?: object): Promise<PublishResult> {
    const id = checkRoomId(roomId)
    return await publish(roomChannel(id), room(id), event, content, options, (message) => messageHead({ roomId: id, ...message }))
  }

  return Object.freeze({
    notifyRoom,

    async sendDirect (userId: string, event: string, content: unknown, options?: object): Promise<PublishResult & { readonly position: string }> {
      const { position = '', ...result } = await publish(userChannel(checkUserId(userId)), inbox, event, content, options, directHead)
      return { position, ...result }
    },

    async broadcastUserUpdate (userId: string, content: unknown): Promise<PublishResult> {
      return await notifyRoom(`user:${checkUserId(userId)}`, USER_UPDATE_EVENT, content)
    },

    async broadcast (event: string, content: unknown): Promise<BroadcastResult> {
      const name = checkEvent(event)
      return await available(link.broadcast(broadcastHead(name, checkContent(content, CONTENT))))
    },

    async presence (roomId: string, options?: object): Promise<PresencePage> {
      const { after, limit } = checkOptions(options, ['after', 'limit'])
      const id = checkRoomId(roomId)
      const from = after === undefined ? undefined : checkUserId(after, 'options.after')
      const size = checkLimit(limit, PRESENCE_PAGE, PRESENCE_PAGE)
      const mirror = new PresenceMirror()
      mirror.replace(await available(link.presence(roomChannel(id))))
      return mirror.page(from, answerBudget(), size)
    },

    async close (): Promise<void> {
      await link.close()
    }
  })
}
