import Fastify from 'fastify'
import realtime from '../../lib/index.js'
import { limits, PROBE, rooms, TIMEOUT } from '../chaos/scene.js'
import { SECRET } from './server.js'

/** The program of startClusterNode: port of its own, port of Redis, lease in ms. Ends with its parent. */
const [port, redis, lease] = process.argv.slice(2).map(Number)
if (port === undefined || redis === undefined || lease === undefined) throw new Error('port, port of Redis, lease')
process.on('disconnect', () => process.exit())

const app = Fastify({ logger: { level: 'error' } })
await app.register(realtime, { auth: { secret: SECRET }, rooms, limits, redis: { host: '127.0.0.1', port: redis, probe: PROBE, timeout: TIMEOUT, lease } })
await app.listen({ port, host: '127.0.0.1' })
process.send?.('listening')
