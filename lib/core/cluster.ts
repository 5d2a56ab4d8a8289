import { BridgeError } from '../bridge/bridge.js'
import type { Bridge, NodeCommand } from '../bridge/bridge.js'
import type { RealtimeUser } from '../../types/user.js'
import type { CommandResults, RenewOutcome } from './commands.js'
import { PATIENCE } from './patience.js'

/** How long the other nodes may take, in ms. */
const DEADLINE = 5_000

/** A renewal asks policies, and so may take as long as they may. */
const RENEWAL_DEADLINE = PATIENCE + 1_000

export interface Answers<Result> {
  readonly results: readonly Result[]
  /** Nodes that are alive and did not answer. */
  readonly unreachable: readonly string[]
}

/**
 * Asks every node.
 * @throws {BridgeError}
 */
export async function askNodes<Type extends NodeCommand['type']> (
  bridge: Bridge, command: NodeCommand & { readonly type: Type }, deadline = DEADLINE
): Promise<Answers<CommandResults[Type]>> {
  const { replies, unreachable } = await bridge.request(command, deadline)
  // What comes through the bridge was said by `Commands` of a node of the same application: the one place that trusts it.
  const results = replies.map(({ value }) => value as CommandResults[Type])
  return { results, unreachable }
}

/**
 * Hands a new credential to a connection, wherever it is.
 * @throws {BridgeError} also when only nodes that did not answer can have it
 */
export async function renewConnection (
  bridge: Bridge, connectionId: string, user: RealtimeUser, expiresAt: number | null
): Promise<RenewOutcome | 'not-found'> {
  const { results, unreachable } = await askNodes(bridge, { type: 'renew', connectionId, user, expiresAt }, RENEWAL_DEADLINE)
  const outcome = results.find((result) => result !== null)
  if (outcome !== undefined) return outcome
  if (unreachable.length > 0) throw new BridgeError('timeout', `not all nodes answered: ${unreachable.join(', ')}`)
  return 'not-found'
}
