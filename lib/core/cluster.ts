import { BridgeError } from '../bridge/bridge.js'
import type { Bridge, ControlCommand, NodeQuery, NodeReplies } from '../bridge/bridge.js'
import type { RealtimeUser } from '../../types/user.js'
import type { CommandResults, QueryResults, RenewOutcome } from './commands.js'
import { PATIENCE } from './patience.js'

/** How long the other nodes may take, in ms. */
const DEADLINE = 5_000

/** A renewal asks policies, and so may take as long as they may. */
const RENEWAL_DEADLINE = PATIENCE + 1_000

export interface Answers<Result> {
  readonly results: readonly Result[]
  /** Nodes that are alive and did not answer. Commands they carry out when they are back; questions are lost on them. */
  readonly unreachable: readonly string[]
}

/**
 * Has every node do something.
 * @throws {BridgeError}
 */
export async function controlNodes<Type extends ControlCommand['type']> (
  bridge: Bridge, command: ControlCommand & { readonly type: Type }, deadline = DEADLINE
): Promise<Answers<CommandResults[Type]>> {
  return answersOf(await bridge.control(command, deadline))
}

/**
 * Asks every node.
 * @throws {BridgeError}
 */
export async function askNodes<Type extends NodeQuery['type']> (
  bridge: Bridge, query: NodeQuery & { readonly type: Type }, deadline = DEADLINE
): Promise<Answers<QueryResults[Type]>> {
  return answersOf(await bridge.ask(query, deadline))
}

/** What comes through the bridge was said by `Commands` of a node of the same application: the one place that trusts it. */
function answersOf<Result> ({ replies, unreachable }: NodeReplies): Answers<Result> {
  return { results: replies.map(({ value }) => value as Result), unreachable }
}

/**
 * Hands a new credential to a connection, wherever it is.
 * @throws {BridgeError} also when only nodes that did not answer can have it
 */
export async function renewConnection (
  bridge: Bridge, connectionId: string, user: RealtimeUser, expiresAt: number | null
): Promise<RenewOutcome | 'not-found'> {
  const { results, unreachable } = await controlNodes(bridge, { type: 'renew', connectionId, user, expiresAt }, RENEWAL_DEADLINE)
  const outcome = results.find((result) => result !== null)
  if (outcome !== undefined) return outcome
  if (unreachable.length > 0) throw new BridgeError('timeout', `not all nodes answered: ${unreachable.join(', ')}`)
  return 'not-found'
}
