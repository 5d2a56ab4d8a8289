import t from 'tap'
import type { StatsOptions } from '../types/options.js'
import { httpApp } from './helpers/http-app.js'
import type { HttpApp } from './helpers/http-app.js'

async function stats (app: HttpApp, query = '', sub = 'ada') {
  const response = await fetch(app.url(`/realtime/stats${query}`), { headers: { authorization: `Bearer ${app.token({ sub })}` } })
  return { status: response.status, body: await response.json() as Record<string, unknown> }
}

const onlyAda: StatsOptions['authorize'] = async ({ user, request }) => user.id === 'ada' && request.method === 'GET'

await t.test('numbers for everyone who is someone', async t => {
  const app = await httpApp(t)
  app.state.roomNames = ['a', 'b']
  const { status, body } = await stats(app)
  t.equal(status, 200)
  t.same(body, {
    activeConnections: 0,
    rooms: 2,
    users: 1,
    messagesIn: 2,
    messagesOut: 3,
    envelopesDropped: 0,
    outboxBytes: 0,
    eventLoopDelay: { mean: 1, p99: 2, max: 3 },
    unreachable: []
  })
  t.equal((await fetch(app.url('/realtime/stats'))).status, 401)
  t.equal((await fetch(app.url('/realtime/stats'), { method: 'HEAD' })).status, 404)
})

await t.test('names only for those whom stats.authorize lets in, in pages', async t => {
  const app = await httpApp(t, { stats: { authorize: onlyAda } })
  app.state.roomNames = ['a', 'b', 'c']
  t.same((await stats(app)).body.roomNames, ['a', 'b', 'c'])
  t.equal((await stats(app)).body.more, undefined)
  t.match((await stats(app, '?limit=2')).body, { roomNames: ['a', 'b'], more: true })
  t.match((await stats(app, '?limit=2&after=b')).body, { roomNames: ['c'], more: undefined })
  t.equal((await stats(app, '', 'eve')).body.roomNames, undefined)
  for (const query of ['?limit=0', '?limit=1001', '?limit=x', '?after=a&after=b', `?after=${'a'.repeat(201)}`]) {
    t.equal((await stats(app, query)).status, 400, query.slice(0, 12))
  }
})

await t.test('anything but true shows none', async t => {
  const app = await httpApp(t, { stats: { authorize: () => JSON.parse('1') } })
  app.state.roomNames = ['a']
  t.equal((await stats(app)).body.roomNames, undefined)
})

await t.test('503 while the other nodes cannot be asked', async t => {
  const app = await httpApp(t, { stats: { authorize: () => true } })
  app.state.bridge = 'down'
  t.equal((await stats(app)).status, 503)
})

await t.test('503 where stats.authorize fails, and why is for the log', async t => {
  const app = await httpApp(t, { stats: { authorize: () => { throw new Error('password of the database') } } })
  const { status, body } = await stats(app)
  t.equal(status, 503)
  t.notMatch(JSON.stringify(body), 'password')
  t.match(app.logs.join(''), 'password of the database')
})
