/* Who is in a room, as servers, emitters and clients tell it: free of Fastify's types. */

/** One user in a room, all devices together. */
export interface Member {
  /** Who it is: the `id` of their user. */
  readonly userId: string
  /** `online`, `away`, `busy` or the application's own. */
  readonly status: string
  /** What the user attached, if anything. */
  readonly meta?: unknown
  /** Connections of the user in the room now; 0 in the grace window after the last one dropped. */
  readonly devices: number
}

/** Options of `presence`. */
export interface PresencePageOptions {
  /** Continue after this user id. */
  after?: string
  /**
   * Members in one answer, 1 to 100.
   * @default 100
   */
  limit?: number
}

/** A page of members, ordered by user id. */
export interface PresencePage {
  /** At most as many as were asked for. */
  readonly members: readonly Member[]
  /** Members of the room altogether. */
  readonly count: number
  /** There are members after the last one here. */
  readonly more?: boolean
}
