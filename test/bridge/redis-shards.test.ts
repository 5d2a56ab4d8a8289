import t from 'tap'
import { startRedis } from '../helpers/redis.js'
import { redisContract } from '../helpers/redis-nodes.js'
import { bridgeContract } from './contract.js'

const servers = await Promise.all([startRedis(t), startRedis(t)])
const shards = servers.map(({ port }) => `redis://127.0.0.1:${port}`)
let nodes = 0

await bridgeContract('redis, a list of servers', redisContract((prefix) => {
  // The order is no part of it.
  return { shards: ++nodes % 2 === 0 ? shards : shards.toReversed(), prefix, timeout: '2s', probe: '1s' }
}, servers.map(({ admin }) => admin)))
