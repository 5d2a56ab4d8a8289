import t from 'tap'
import type { Test } from 'tap'
import Fastify from 'fastify'
import realtime from '../lib/index.js'
import type { RealtimeOptions } from '../lib/index.js'
import { createApp } from './helpers/app.js'
import { makeCertificate } from './helpers/certificate.js'
import type { Certificate } from './helpers/certificate.js'
import { freePort } from './helpers/free-port.js'
import { startLoneMaster } from './helpers/redis-cluster.js'
import { startRedis } from './helpers/redis.js'
import type { RedisServer } from './helpers/redis.js'
import { SECRET } from './helpers/server.js'

const certificate = await makeCertificate(t)
const PASSWORD = 'right'

/** Takes only TLS on a port of its own, and from the user `node` only; the test itself goes by the other one. */
async function startSecured (t: Test, start: (t: Test, ...args: string[]) => Promise<RedisServer>, { cert, key }: Certificate): Promise<number> {
  const port = await freePort()
  const server = await start(
    t, '--tls-port', String(port), '--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert, '--tls-auth-clients', 'no',
    // So that it is this port that a cluster names.
    '--tls-cluster', 'yes'
  )
  await server.admin.call('acl', 'setuser', 'node', 'on', `>${PASSWORD}`, '~*', '&*', '+@all')
  await server.admin.call('acl', 'setuser', 'default', 'resetpass')
  return port
}

async function twoNodes (t: Test, redis: RealtimeOptions['redis']): Promise<void> {
  const options: RealtimeOptions = { redis, rooms: { 'chat:{id}': { join: () => true, publish: 'members' } } }
  const [one, two] = [await createApp(t, options), await createApp(t, options)]
  const [ann, bob] = [await one.connect('ann'), await two.connect('bob')]
  for (const client of [ann, bob]) await client.request({ type: 'join', roomId: 'chat:1' })
  t.match(await ann.request({ type: 'message', roomId: 'chat:1', content: 'hi' }), { type: 'ack' })
  t.match(await bob.next('message'), { content: 'hi', userId: 'ann' })
}

async function refused (t: Test, redis: RealtimeOptions['redis']): Promise<void> {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => await app.register(realtime, { auth: { secret: SECRET }, redis }), { code: 'RT_ERR_REDIS' })
}

await t.test('a server behind TLS: calls and the fan-out go through it', async (t) => {
  const port = await startSecured(t, startRedis, certificate)
  const { ca } = certificate
  const given = { host: '127.0.0.1', port, username: 'node', password: PASSWORD, timeout: 1_000 }
  await twoNodes(t, { ...given, tls: { ca } })
  await refused(t, { ...given, tls: {} })
  await refused(t, given)
})

await t.test('a cluster behind TLS: connections to masters it names go through it too', async (t) => {
  const port = await startSecured(t, startLoneMaster, certificate)
  const { ca } = certificate
  const nodes = [{ host: '127.0.0.1', port }]
  await twoNodes(t, { cluster: { nodes, options: { redisOptions: { tls: { ca }, username: 'node', password: PASSWORD } } }, timeout: 5_000 })
})
