import { createHash, randomBytes } from 'node:crypto'
import type { Bridge } from '../bridge/bridge.js'
import type { Clock } from '../clock.js'
import type { RealtimeUser } from '../../types/user.js'
import { errors } from '../errors.js'
import { isUserId } from '../protocol/names.js'
import { available } from './answers.js'
import type { Identity } from './contract.js'

/** How long a ticket is good for, in ms. */
const TICKET_TTL = 30_000

/** One-time credentials for handshakes where neither a header nor a cookie can be sent. */
export class Tickets {
  readonly #bridge: Pick<Bridge, 'putTicket' | 'takeTicket'>
  readonly #clock: Clock

  constructor (bridge: Pick<Bridge, 'putTicket' | 'takeTicket'>, clock: Clock) {
    this.#bridge = bridge
    this.#clock = clock
  }

  /** A ticket that stands for this identity, for as long as the credential behind it. */
  async issue (identity: Identity): Promise<{ ticket: string, expiresAt: number }> {
    const ticket = randomBytes(32).toString('base64url')
    const now = this.#clock.wall()
    const expiresAt = Math.min(now + TICKET_TTL, identity.expiresAt ?? Infinity)
    const { user, origin } = identity
    const kept = serialize({ user, credentialExpiresAt: identity.expiresAt, origin: origin ?? null, expiresAt })
    await available('tickets', this.#bridge.putTicket(keyOf(ticket), kept, Math.max(1, expiresAt - now)))
    return { ticket, expiresAt }
  }

  /** Spends a ticket, whatever comes of it. `null`: no such ticket, spent, expired, or issued to another origin. */
  async redeem (ticket: string, origin: string | undefined): Promise<Identity | null> {
    const value = await available('tickets', this.#bridge.takeTicket(keyOf(ticket)))
    if (value === null) return null
    const kept: unknown = JSON.parse(value)
    if (!isKept(kept) || kept.origin !== (origin ?? null)) return null
    const now = this.#clock.wall()
    const { user, credentialExpiresAt: expiresAt } = kept
    if (kept.expiresAt <= now || (expiresAt !== null && expiresAt <= now)) return null
    return origin === undefined ? { user, expiresAt } : { user, expiresAt, origin }
  }
}

interface Kept {
  readonly user: RealtimeUser
  readonly credentialExpiresAt: number | null
  readonly origin: string | null
  readonly expiresAt: number
}

/** A ticket carries the user as JSON: one that JSON cannot carry, or makes somebody else of, gets none. */
function serialize (kept: Kept): string {
  let text: string
  try {
    text = JSON.stringify(kept)
  } catch (cause) {
    throw new errors.RT_ERR_BAD_ARGUMENT('the user cannot be put into a ticket: it is not JSON', { cause })
  }
  const read: unknown = JSON.parse(text)
  if (!isKept(read) || read.user.id !== kept.user.id) {
    throw new errors.RT_ERR_BAD_ARGUMENT('the user cannot be put into a ticket: JSON changes its id')
  }
  return text
}

/** Written by another node, perhaps of another version. */
function isKept (value: unknown): value is Kept {
  if (typeof value !== 'object' || value === null) return false
  if (!('user' in value && 'credentialExpiresAt' in value && 'origin' in value && 'expiresAt' in value)) return false
  const { user, credentialExpiresAt, origin, expiresAt } = value
  return typeof user === 'object' && user !== null && 'id' in user && isUserId(user.id) &&
    (credentialExpiresAt === null || typeof credentialExpiresAt === 'number') &&
    (origin === null || typeof origin === 'string') &&
    typeof expiresAt === 'number'
}

/** The store keeps a digest: who can read it cannot connect with what it finds. */
function keyOf (ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url')
}
