import t from 'tap'
import { controlContract } from './contract/control.js'
import { faultContract } from './contract/faults.js'
import type { ContractOptions } from './contract/fixture.js'
import { keyContract } from './contract/keys.js'
import { logContract } from './contract/log.js'
import { presenceContract } from './contract/presence.js'
import { volatileContract } from './contract/volatile.js'

export type { ClusterFixture, ContractOptions, Faults } from './contract/fixture.js'

const PARTS = {
  logs: logContract,
  keys: keyContract,
  'volatile channels and removals': volatileContract,
  presence: presenceContract,
  'nodes, users and tickets': controlContract,
  faults: faultContract
}

/** The promises of lib/bridge/bridge.ts in executable form: every bridge runs this unchanged. */
export async function bridgeContract (name: string, options: ContractOptions): Promise<void> {
  await t.test(name, async t => {
    for (const [part, run] of Object.entries(PARTS)) await t.test(part, t => run(t, options))
  })
}
