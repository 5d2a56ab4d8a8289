import t from 'tap'
import { startCluster } from '../helpers/redis-cluster.js'
import { redisContract } from '../helpers/redis-nodes.js'
import { bridgeContract } from './contract.js'

const { nodes, masters } = await startCluster(t)

await bridgeContract('redis, a cluster', redisContract(
  (prefix) => ({ cluster: { nodes }, prefix, timeout: '2s', probe: '1s' }), masters.map(({ admin }) => admin)
))
