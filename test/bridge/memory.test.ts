import { createMemoryBridge } from '../../lib/bridge/memory/memory-bridge.js'
import { createFakeClock } from '../helpers/clock.js'
import { bridgeContract } from './contract.js'

await bridgeContract('memory', {
  nodes: 1,
  async create () {
    const clock = createFakeClock()
    const bridge = createMemoryBridge({ clock })
    return {
      async createNode (handlers) {
        await bridge.start(handlers)
        return bridge
      },
      close: () => bridge.close(),
      advance: clock.advance
    }
  }
})
