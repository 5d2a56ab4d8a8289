import { readdirSync, readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import t from 'tap'
import { createEmitter } from '../lib/emitter.js'
import { createApp } from './helpers/app.js'
import { QUIET } from './helpers/quiet.js'
import { startCluster } from './helpers/redis-cluster.js'
import { bridgeOf } from './helpers/redis-nodes.js'
import { startRedis } from './helpers/redis.js'
import { until } from './helpers/until.js'

const text = readFileSync(new URL('../docs/redis.md', import.meta.url), 'utf8')

/** The rows of the table below a heading, cells without backquotes. */
function table (heading: string): string[][] {
  const [, section = ''] = text.split(`\n## ${heading}\n`)
  const rows = section.split('\n## ')[0]?.split('\n').filter((line) => line.startsWith('| `')) ?? []
  return rows.map((row) => row.split('|').slice(1, -1).map((cell) => cell.trim()))
}

/** What a documented name stands for, as an expression. */
function expression (documented: string, base: string): RegExp {
  const [, name = ''] = /`([^`]+)`/.exec(documented) ?? []
  const source = name
    .replaceAll('\\0', '\0').replaceAll('\\n', '\n')
    .replace(/[.*+?^$()[\]|\\{}]/g, '\\$&')
    .replace('<base>', base)
    .replace('<channel>', '(?:r:[^{}]+|u:[^{}]+|s:control)')
    .replace('\\.\\.\\.', '.+')
    .replace(/<sha256>/g, '[0-9a-f]{64}')
    .replace(/<number>/g, '\\d+')
    .replace(/<incarnation>/g, '\\d+')
    .replace(/<node>/g, '[0-9a-z]{16}')
    .replace(/<\w+>/g, '[^{}]+')
  return new RegExp(`^${source}$`, 's')
}

await t.test('everything that is written and sent is documented, and the documented access rules allow it', async (t) => {
  const server = await startRedis(t)
  const [, rules = ''] = /^ACL SETUSER (realtime .+)$/m.exec(text) ?? []
  await server.admin.call('ACL', 'SETUSER', ...rules.split(' '))
  const heard: Array<[channel: string, payload: string]> = []
  const ear = new Redis(server.port)
  t.teardown(() => ear.disconnect())
  ear.on('pmessage', (_pattern, channel, payload) => heard.push([channel, payload]))
  await ear.psubscribe('*')

  const redis = { port: server.port, username: 'realtime', password: 'password', db: 3 }
  const rooms = {
    'chat:{id}': { join: () => true, publish: 'members', presence: { grace: '1m' }, typing: true },
    'live:{id}': { join: () => true, publish: 'members', history: false }
  } as const
  const [one, two] = [await createApp(t, { rooms, redis }), await createApp(t, { rooms, redis })]
  const emitter = createEmitter<unknown>({ redis, rooms })
  const [ann, bob] = [await one.connect('ann'), await two.connect('bob')]
  for (const client of [ann, bob]) {
    for (const roomId of ['chat:1', 'live:1']) await client.request({ type: 'join', roomId, presence: roomId === 'chat:1' })
  }
  await ann.request({ type: 'message', roomId: 'chat:1', content: 1, key: 'k' })
  await ann.request({ type: 'message', roomId: 'live:1', content: 1 })
  ann.send({ type: 'typing', roomId: 'chat:1', typing: true })
  await bob.next('typing')
  await emitter.notifyRoom('chat:1', 'n', 1, { key: 'k' })
  await emitter.sendDirect('ann', 'n', 1)
  await emitter.broadcast('n', 1)
  await emitter.presence('chat:1')
  await one.app.realtime.removeUser('bob', 'chat:1')
  await one.app.realtime.stats()
  await one.app.realtime.joinUser('bob', 'chat:2')
  const headers = { authorization: `Bearer ${one.token('ann')}` }
  const { ticket } = (await one.app.inject({ method: 'POST', url: '/realtime/ticket', headers })).json<{ ticket: string }>()
  const other = (await one.app.inject({ method: 'POST', url: '/realtime/ticket', headers })).json<{ ticket: string }>()
  t.type(other.ticket, 'string')
  const third = new (await import('ws')).WebSocket(`${two.wsUrl}?ticket=${ticket}`, ['realtime.v1'])
  t.teardown(() => third.terminate())
  await new Promise((resolve) => third.once('message', resolve))
  await emitter.close()

  await server.admin.select(3)
  const keys = table('Keys').map(([name = '', type = '']) => ({ name, type, pattern: expression(name, 'realtime@3') }))
  t.ok(keys.length > 12)
  const seen = new Set<string>()
  const types = new Map([['sorted set', 'zset']])
  for (const key of await server.admin.keys('*')) {
    const found = keys.filter(({ pattern }) => pattern.test(key))
    t.equal(found.length, 1, `${JSON.stringify(key)} is one of the documented keys`)
    for (const { name, type } of found) {
      seen.add(name)
      t.equal(await server.admin.type(key), types.get(type) ?? type, key)
      const ttl = await server.admin.pttl(key)
      t.ok(ttl > 0 || ttl === -2, `${key} has a TTL`)
      if (name.includes(':batch:')) t.ok(ttl <= 120_000 && ttl > 60_000)
      if (name.includes('removed')) t.ok(ttl <= 3_600_000 && ttl > 3_000_000)
    }
  }
  // Only where a server died.
  const rare = ['dead`', '{s:sweep']
  for (const { name } of keys) if (!rare.some((part) => name.includes(part))) t.ok(seen.has(name), `there is ${name}`)

  const channels = table('Channels').map(([name = '', payload = '']) => {
    const [, form = ''] = /`([^`]+)`/.exec(payload) ?? []
    return { row: `${name} ${payload}`, pattern: expression(name, 'realtime@3'), begins: form === '' ? /^\d+$/ : new RegExp(`^${form.slice(0, 2)}[ \n]`) }
  })
  const sent = new Set<string>()
  for (const [channel, payload] of heard) {
    const found = channels.find(({ pattern, begins }) => pattern.test(channel) && begins.test(payload))
    t.ok(found !== undefined, `${channel}: ${payload.slice(0, 40)}`)
    if (found !== undefined) sent.add(found.row)
  }
  for (const { row } of channels) t.ok(sent.has(row), `there was ${row}`)

  const head = await server.admin.hgetall('realtime@3:{r:chat:1}:head')
  for (const field of Object.keys(head)) t.match(text, new RegExp(`\`${field}\``), `head: ${field}`)
  const [[id = '', fields = []] = []] = await server.admin.xrange('realtime@3:{r:chat:1}:log', '-', '+')
  t.match(id, /^1-0$/)
  t.same(fields.filter((_field, index) => index % 2 === 0), ['c', 'p', 't', 'k', 'd'])
})

await t.test('the documented access rules are enough in a cluster, and a node that loses them says which', async (t) => {
  const { nodes, masters } = await startCluster(t)
  const [, rules = ''] = /^ACL SETUSER (realtime .+)$/m.exec(text) ?? []
  const [, more = ''] = /^In a cluster also `([^`]+)`/m.exec(text) ?? []
  t.match(more, /^\+/)
  const allow = async (given: string): Promise<void> => {
    for (const { admin } of masters) await admin.call('ACL', 'SETUSER', ...given.split(' '))
  }
  await allow(rules)
  await allow(`realtime ${more}`)
  const bridge = bridgeOf({ cluster: { nodes, options: { redisOptions: { username: 'realtime', password: 'password' } } }, timeout: '3s', probe: '1s' })
  t.teardown(() => bridge.close())
  await bridge.start(QUIET)
  await bridge.subscribe('r:a', { presence: true }, () => {})
  await bridge.publish({ channel: 'r:a', head: '{"type":"message","content":1', retention: { size: 10, ttl: 60_000 } })
  await bridge.presenceAttach('r:a', 'ann', 'c', 1)
  await bridge.userConnect('ann', 'c', 1)
  t.same((await bridge.control({ type: 'disconnect-user', userId: 'bob', reason: '' }, 2_000)).unreachable, [])
  for (const { admin } of masters) t.same(await admin.call('ACL', 'LOG'), [], 'nothing was refused')
  await allow('realtime -cluster|info')
  await until('it says what it may not do any more', () => /NOPERM.*cluster\|info/.test(bridge.status().reason ?? ''), 8_000)
})

await t.test('what a script takes is documented', (t) => {
  const folder = new URL('../lib/bridge/redis/scripts/', import.meta.url)
  const append = readFileSync(new URL('append.lua', folder), 'utf8')
  const [, base = ''] = /^local base = (\d+)$/m.exec(append) ?? []
  t.match(text, new RegExp(`^\\| ${base} \\| Number of items`, 'm'))
  for (let number = 1; number <= Number(base); number++) t.match(text, new RegExp(`^\\| (?:\\d+, )?${number}(?:, \\d+)? \\|`, 'm'), `ARGV ${number}`)
  t.notMatch(text, new RegExp(`^\\| ${Number(base) + 1} \\|`, 'm'))
  const named = [...text.matchAll(/`([a-z-]+\.lua)`/g)].map(([, name = '']) => name)
  t.ok(named.length > 2)
  for (const name of named) t.ok(readdirSync(folder).includes(name), name)
  t.end()
})
