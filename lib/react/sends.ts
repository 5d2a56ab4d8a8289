import type { Client, Published, Room } from '../../types/client.js'
import type { AnyEvents } from '../../types/events.js'
import { systemClock } from '../client/environment.js'
import type { Outgoing, Timeline } from './timeline.js'

/** What a user sends to one room, and what becomes of it in the list. */
export interface Sends {
  publish (event: string, content: unknown): Promise<Published | undefined>
  retry (id: string): void
  discard (id: string): void
  /** A message of the room was acknowledged, whoever sent it and when. */
  acknowledged (published: Published): void
  /** A message of the room was given up, whoever sent it and when. */
  failed (key: string, error: unknown): void
  /** Takes over what waits in the client: from before a reload, or sent without us. */
  sync (): void
}

export interface SendsOwner {
  /** The room, joined at the latest now. */
  room (): Room<AnyEvents>
  changed (): void
}

export function createSends (client: Client, roomId: string, timeline: Timeline, { room, changed }: SendsOwner): Sends {
  /** Keys of messages whose promise tells what becomes of them. */
  const awaited = new Set<string>()
  /** Keys of messages that were discarded: the client may have been reading its storage just then. */
  const discarded = new Set<string>()

  function failed (key: string, reason: unknown): void {
    const { code }: { readonly code?: unknown } = Object(reason)
    // The application took it back.
    if (code === 'discarded') timeline.discard(key)
    else timeline.failed(key, reason)
  }

  async function transmit ({ key, event, content }: Outgoing): Promise<Published | undefined> {
    awaited.add(key)
    changed()
    try {
      const published = await room().publish(event, content, { key })
      timeline.acknowledged(key, published)
      return published
    } catch (reason) {
      failed(key, reason)
    } finally {
      awaited.delete(key)
      changed()
    }
  }

  return {
    publish (event, content) {
      const key = systemClock.id()
      return transmit(timeline.add({ key, roomId, event, content: jsonOf(content), timestamp: Date.now(), userId: client.userId ?? '' }))
    },
    retry (id) {
      const sent = timeline.failure(id)
      const { code }: { readonly code?: unknown } = Object(sent?.item.error)
      // Of another user, as whom it is never sent.
      if (sent === undefined || code === 'other_user') return
      // A refused message did not use its key, and one whose outcome is unknown is recognised by it. Only this is about the key itself.
      void transmit(timeline.retried(sent, code === 'conflict' ? systemClock.id() : sent.key))
    },
    discard (id) {
      const sent = timeline.failure(id)
      if (sent === undefined) return
      const { key } = sent
      // The client may keep it, to send it when it begins again.
      client.discard({ roomId, key })
      discarded.add(key)
      timeline.discard(key)
      changed()
    },
    acknowledged (published) {
      if (!awaited.has(published.key)) timeline.acknowledged(published.key, published)
      changed()
    },
    failed (key, error) {
      if (!awaited.has(key)) failed(key, error)
      changed()
    },
    sync () {
      const pending = client.pending().filter((message) => message.roomId === roomId)
      const keys = new Set(pending.map(({ key }) => key))
      if (client.userId !== undefined) timeline.claim(client.userId)
      // Neither pending nor known to be anything else, as when a handler before ours closed the client.
      for (const { key } of timeline.waiting()) if (!keys.has(key) && !awaited.has(key)) timeline.discard(key)
      for (const { key, event, content, at, userId = client.userId ?? '' } of pending) {
        if (discarded.has(key)) {
          client.discard({ roomId, key })
          continue
        }
        const sent = timeline.find(key)
        if (sent?.item.state === 'failed') timeline.retried(sent, key)
        // Its echo may be there before its acknowledgement.
        else if (sent === undefined && !timeline.shows(key)) timeline.add({ key, roomId, event, content, timestamp: at, userId })
      }
      changed()
    }
  }
}

/** What the others will see of it. */
function jsonOf (content: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(content ?? null))
  } catch {
    // It will be refused for this very reason.
    return content
  }
}
