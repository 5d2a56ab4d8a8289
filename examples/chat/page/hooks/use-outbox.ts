import { useCallback, useEffect, useRef } from 'react'
import { RealtimeError } from 'fastify-realtime/client'
import { reasonOf } from '../format.js'
import { useClient, useConnection } from '../realtime.js'
import { useStored } from './use-stored.js'

/** Longer than anybody stays away: a letter waits for a connection. In ms. */
const PATIENCE = 24 * 60 * 60_000

/** A direct message of one's own. */
export interface Letter {
  readonly key: string
  readonly to: string
  readonly text: string
  readonly timestamp: number
  readonly state: 'pending' | 'sent' | 'failed'
  readonly problem?: string
}

export interface Outbox {
  readonly letters: readonly Letter[]
  send (to: string, text: string): void
  retry (key: string): void
  discard (key: string): void
}

/**
 * Direct messages go by a call, which the client sends at most once. Here it is made again until there is an answer, over reloads of
 * the page too; for as long as the server remembers its key, that delivers nothing twice.
 *
 * @param arrived - keys that came back in the inbox, so that nothing is left to do for them
 */
export function useOutbox (me: string, arrived: ReadonlySet<string>): Outbox {
  const client = useClient()
  const { state } = useConnection()
  const [letters, setLetters] = useStored<readonly Letter[]>(sessionStorage, `chat:outbox:${me}`, [])
  const underWay = useRef(new Set<string>())

  const change = useCallback((key: string, update: Partial<Letter>) => {
    setLetters((letters) => letters.map((letter) => letter.key === key ? { ...letter, ...update } : letter))
  }, [setLetters])

  const discard = useCallback((key: string) => {
    setLetters((letters) => letters.filter((letter) => letter.key !== key))
  }, [setLetters])

  const deliver = useCallback(async ({ key, to, text }: Letter): Promise<void> => {
    if (underWay.current.has(key)) return
    underWay.current.add(key)
    for (;;) {
      try {
        await client.call('direct-message', { to, text, key }, { timeout: PATIENCE })
        change(key, { state: 'sent' })
      } catch (error) {
        const code = error instanceof RealtimeError ? error.code : undefined
        if (code === 'disconnected') continue
        // A page that closes leaves it to the next one.
        if (code !== 'closed') change(key, { state: 'failed', problem: reasonOf(error) })
      }
      underWay.current.delete(key)
      return
    }
  }, [client, change])

  useEffect(() => {
    for (const letter of letters) {
      if (arrived.has(letter.key)) discard(letter.key)
      else if (letter.state === 'pending') void deliver(letter)
    }
    // Also when a client begins again that had ended.
  }, [state, letters, arrived, deliver, discard])

  return {
    letters,
    send (to, text) {
      setLetters((letters) => [...letters, { key: crypto.randomUUID(), to, text, timestamp: Date.now(), state: 'pending' }])
    },
    retry: (key) => change(key, { state: 'pending' }),
    discard
  }
}
