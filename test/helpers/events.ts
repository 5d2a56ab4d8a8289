import type { FastifyInstance } from 'fastify'

/** Resolves when the server has noticed that a connection of the user is gone. To be called before it goes. */
export function disconnected (app: FastifyInstance, userId: string): Promise<{ code: number, reason: string }> {
  return new Promise((resolve) => {
    app.realtime.addHook('onDisconnect', (ctx, reason) => {
      if (ctx.user.id === userId) resolve({ ...reason })
    })
  })
}

/** A number generator whose every run is the same: mulberry32. */
export function seeded (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Something that a test decides the moment of. */
export interface Gate {
  readonly open: () => void
  readonly opened: Promise<void>
}

export function gate (): Gate {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => { open = resolve })
  return { open, opened }
}
