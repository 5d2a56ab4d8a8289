import type { Bridge, NodeCommand } from '../bridge/bridge.js'
import type { CommandResults } from './commands.js'

/** How long the other nodes may take, in ms. */
const PATIENCE = 5_000

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
  bridge: Bridge, command: NodeCommand & { readonly type: Type }, patience = PATIENCE
): Promise<Answers<CommandResults[Type]>> {
  const { replies, unreachable } = await bridge.request(command, patience)
  // What comes through the bridge was said by `Commands` of a node of the same application: the one place that trusts it.
  const results = replies.map(({ value }) => value as CommandResults[Type])
  return { results, unreachable }
}
