import type { SendState } from 'fastify-realtime/react'

/** A message as a conversation shows it, of a room or of a person. */
export interface Line {
  readonly id: string
  readonly userId: string | null
  readonly text: string
  /** Epoch ms. */
  readonly timestamp: number
  readonly state: SendState
  /** Why it failed. */
  readonly problem?: string | undefined
  /** Messages may be missing before this one. */
  readonly gap: boolean
}
