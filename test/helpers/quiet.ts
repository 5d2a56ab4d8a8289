import type { BridgeHandlers } from '../../lib/bridge/bridge.js'

/** A node that has nothing to say. */
export const QUIET: BridgeHandlers = { onBroadcast () {}, onControl: async () => null, onAsk: async () => null, onStatus () {} }
