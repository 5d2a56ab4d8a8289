import { BridgeError } from '../../lib/bridge/bridge.js'
import type { NodeAnswer, NodeInit, NodeOrder } from './node-process.js'
import { redisBridge } from './redis-bridge.js'
import { bridgeOf } from './redis-nodes.js'
import { QUIET } from './quiet.js'

/*
 * A node in a process of its own, for tests that kill it: carries out what its parent says. Ends with its parent.
 */

const [json = ''] = process.argv.slice(2)
const init: NodeInit = JSON.parse(json)
const bridge = 'shards' in init ? bridgeOf(init) : redisBridge(init)

function answer (message: NodeAnswer): void {
  process.send?.(message)
}

async function carryOut (order: NodeOrder): Promise<void> {
  if (order.type === 'attach') {
    await Promise.all(order.members.map(({ channel, userId, connectionId }) => bridge.presenceAttach(channel, userId, connectionId, Infinity)))
  } else if (order.type === 'detach') {
    await Promise.all(order.members.map(({ channel, userId, connectionId }) => bridge.presenceDetach(channel, userId, connectionId, order.linger)))
  } else await bridge.userConnect(order.userId, order.connectionId, Infinity)
}

process.on('message', (order: NodeOrder) => {
  carryOut(order).then(() => answer({ id: order.id }), (error: unknown) => {
    answer({ id: order.id, error: error instanceof BridgeError ? error.code : String(error) })
  })
})
process.on('disconnect', () => process.exit())
await bridge.start(QUIET)
answer({ id: 0 })
