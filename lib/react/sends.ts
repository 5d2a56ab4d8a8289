import type { Client, Published, Room } from '../../types/client.js'
import type { AnyEvents } from '../../types/events.js'
import { systemClock } from '../client/environment.js'
import type { Outgoing, Timeline } from './timeline.js'

/** What a user sends to one room, and what becomes of it in the list. */
export interface Sends {
  publish (event: string, content: unknown): Promise<Published | undefined>
  retry (id: string): void
  discard (id: string): void
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

  async function transmit ({ key, event, content }: Outgoing): Promise<Published | undefined> {
    awaited.add(key)
    changed()
    try {
      const published = await room().publish(event, content, { key })
      timeline.acknowledged(key, published)
      return published
    } catch (reason) {
      timeline.failed(key, reason)
    } finally {
      awaited.delete(key)
      changed()
    }
  }

  function failed (key: string, error: unknown): void {
    timeline.failed(key, error)
    changed()
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
      timeline.discard(sent)
      changed()
    },
    failed,
    sync () {
      const pending = client.pending().filter((message) => message.roomId === roomId)
      const keys = new Set(pending.map(({ key }) => key))
      if (client.userId !== undefined) timeline.claim(client.userId)
      // Nobody awaits those of before a reload: what is neither pending nor failed was acknowledged.
      for (const { key } of timeline.waiting()) if (!keys.has(key) && !awaited.has(key)) timeline.acknowledged(key)
      for (const { key, event, content, at, userId = client.userId ?? '' } of pending) {
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
