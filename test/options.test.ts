import fc from 'fast-check'
import t from 'tap'
import { parseDuration } from '../lib/duration.js'
import { describeOptions, resolveOptions, resolvePolicy } from '../lib/options.js'

/** The message a wrong option fails with, without its common beginning. */
function failure (run: () => unknown): string {
  try {
    run()
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'RT_ERR_OPTION') return err.message.replace(/^Invalid option: /, '')
    throw err
  }
  return 'accepted'
}

const option = (input: unknown) => failure(() => resolveOptions(input))
const policy = (input: unknown, pattern = 'chat:{id}') => failure(() => resolvePolicy(pattern, input))

await t.test('the defaults', async (t) => {
  const defaults = {
    path: '/realtime',
    prefix: '',
    auth: { kind: 'jwt', secret: null, algorithms: null, user: null, cookie: null, query: null, requireExp: true },
    redis: null,
    rooms: {},
    limits: {
      payload: 65_536,
      depth: 32,
      rooms: 100,
      members: Infinity,
      joins: { max: 200, timeWindow: 10_000 },
      connections: Infinity,
      connectionsPerUser: 20,
      connectionsPerAddress: Infinity,
      handshakes: { max: 3000, timeWindow: 60_000 },
      messages: { max: 100, timeWindow: 10_000 },
      messagesPerUser: { max: 400, timeWindow: 10_000 },
      calls: 32,
      outbound: 1_048_576
    },
    idempotency: { ttl: 600_000 },
    inbox: { size: 100, ttl: 86_400_000 },
    heartbeat: { interval: 25_000, timeout: 20_000 },
    drain: { spread: 5_000, deadline: 10_000, code: 1012 },
    origins: null,
    allowNoOrigin: true,
    stats: { authorize: null },
    health: { enabled: true },
    route: {}
  }
  t.strictSame(resolveOptions(undefined), defaults)
  t.strictSame(resolveOptions({}), defaults)
  t.strictSame(resolveOptions({ limits: undefined, auth: undefined, prefix: undefined }), defaults, 'undefined is absent')
  t.strictSame(resolvePolicy('a', {}), {
    join: null,
    publish: 'server',
    events: null,
    history: { size: 100, ttl: 300_000 },
    presence: null,
    typing: false,
    members: null,
    onJoin: null,
    onMessage: null,
    onLeave: null
  })
})

await t.test('a part that is given leaves the other defaults', async (t) => {
  t.match(resolveOptions({ limits: { messages: { max: 5 } } }).limits, { payload: 65_536, messages: { max: 5, timeWindow: 10_000 } })
  t.match(resolvePolicy('a', { history: { size: 5 }, presence: {} }), { history: { size: 5, ttl: 300_000 }, presence: { grace: 5_000 } })
})

await t.test('a misspelt option is named, with the nearest one', async (t) => {
  t.equal(option({ limit: {} }), 'limit is unknown; did you mean limits?')
  t.equal(option({ orgins: [] }), 'orgins is unknown; did you mean origins?')
  t.equal(option({ limits: { paylaod: 1 } }), 'limits.paylaod is unknown; did you mean limits.payload?')
  t.equal(option({ limits: { connectionPerUser: 1 } }), 'limits.connectionPerUser is unknown; did you mean limits.connectionsPerUser?')
  t.equal(option({ limits: { messages: { max: 1, timewindow: 1 } } }), 'limits.messages.timewindow is unknown; did you mean limits.messages.timeWindow?')
  t.equal(option({ auth: { secrets: 'hunter2' } }), 'auth.secrets is unknown; did you mean auth.secret?')
  t.equal(option({ auth: { cookie: { cookiename: 'a' } } }), 'auth.cookie.cookiename is unknown; did you mean auth.cookie.cookieName?')
  t.equal(option({ heartbeat: { zzz: 1 } }), 'heartbeat.zzz is unknown; known here: interval, timeout')
  t.equal(policy({ onMesage: () => {} }), 'rooms["chat:{id}"].onMesage is unknown; did you mean rooms["chat:{id}"].onMessage?')
  t.equal(policy({ history: { siez: 1 } }), 'rooms["chat:{id}"].history.siez is unknown; did you mean rooms["chat:{id}"].history.size?')
  t.match(option(JSON.parse('{"__proto__":{"path":"/x"}}')), /^__proto__ is unknown/)
  t.match(option({ constructor: 1 }), /^constructor is unknown/)
  t.ok(option({ ['x'.repeat(10_000)]: 1 }).length < 400)
})

await t.test('a wrong option is named, with what it got and what is accepted', async (t) => {
  t.equal(option({ limits: { depth: '3' } }), 'limits.depth must be an integer from 1 to 128, got the string "3"')
  t.equal(option({ limits: { depth: null } }), 'limits.depth must be an integer from 1 to 128, got null')
  t.equal(option({ limits: [] }), 'limits must be an object, got an array')
  t.equal(option({ limits: { connections: 0 } }), 'limits.connections must be an integer from 1 to 10000000, or Infinity, got the number 0')
  t.equal(option({ allowNoOrigin: 'no' }), 'allowNoOrigin must be a boolean, got the string "no"')
  t.equal(option({ drain: { code: 1000 } }), 'drain.code must be 1012 or 1001, got the number 1000')
  t.equal(option({ stats: { authorize: true } }), 'stats.authorize must be a function, got the boolean true')
  t.match(option({ inbox: { ttl: 'x'.repeat(1000) } }), /got the string "x{40}"\.\.\.$/)
  t.equal(option('x'), 'the options must be an object, got the string "x"')
  t.equal(option(new Map([['path', '/x']])), 'the options must be an object, got an object that is not a literal')
  t.equal(option({ rooms: new Map() }), 'rooms must be an object of policies by pattern, got an object that is not a literal')
  t.match(option({ path: 1 }), /^path must be a path such as/)
})

await t.test('every number and duration has bounds', async (t) => {
  let bounded = 0
  for (const [path, check] of describeOptions()) {
    if (!/^(an integer|a duration)/.test(check.expected)) continue
    bounded++
    for (const value of [-1, NaN, -Infinity, 1e18, '', 'soon', true, null, {}, []]) {
      t.match(failure(() => check.read(value, path)), `${path} must be ${check.expected}, got`)
    }
    if (!check.expected.endsWith('or Infinity')) t.not(failure(() => check.read(Infinity, path)), 'accepted', path)
    const [, min = '', max = ''] = /from (\S+) to ([^\s,]+)/.exec(check.expected) ?? []
    for (const bound of [min, max]) t.equal(check.read(/^\d+$/.test(bound) ? Number(bound) : bound, path), /^\d+$/.test(bound) ? Number(bound) : parseDuration(bound))
  }
  t.ok(bounded > 20)
})

await t.test('no secret is shown', async (t) => {
  const shown = [
    option({ auth: 'hunter2' }), option({ auth: { cookie: 'hunter2' } }), option({ auth: { algorithms: ['hunter2'] } }), option({ auth: { user: 'hunter2' } }),
    option({ auth: { query: 'hunter2 ?' } }), option({ auth: { secret: 42 } }), option({ origins: ['https://me:hunter2@a.com'] })
  ]
  for (const message of shown) {
    t.match(message, /must be/)
    t.notMatch(message, /hunter2|42/)
  }
})

await t.test('auth by token', async (t) => {
  const user = () => ({ id: 'a' })
  t.strictSame(
    resolveOptions({ auth: { secret: 's', algorithms: ['HS256'], user, cookie: { cookieName: 'sid' }, query: true, requireExp: false } }).auth,
    { kind: 'jwt', secret: 's', algorithms: ['HS256'], user, cookie: { cookieName: 'sid', signed: true }, query: 'token', requireExp: false }
  )
  t.match(resolveOptions({ auth: { query: 'jwt' } }).auth, { query: 'jwt' })
  t.match(resolveOptions({ auth: { query: false } }).auth, { query: null })
  for (const secret of [Buffer.from('x'), () => 'x', { public: 'x', private: 'y' }]) t.match(resolveOptions({ auth: { secret } }).auth, { secret })
  for (const secret of ['', Buffer.alloc(0), 5, null, true]) t.match(option({ auth: { secret } }), /^auth\.secret must be/)
  for (const algorithms of [[], 'HS256', ['none'], ['HS256', 'none'], ['hs256'], ['HS256', 'RS256']]) t.match(option({ auth: { algorithms } }), /^auth\.algorithms/)
  t.match(option({ auth: { query: 'ticket' } }), /one-time ticket/)
  t.match(option({ auth: { cookie: {} } }), /^auth\.cookie\.cookieName must be a cookie name, got undefined/)
})

await t.test('auth by the application', async (t) => {
  const authenticate = () => null
  t.strictSame(resolveOptions({ auth: { authenticate } }).auth, { kind: 'custom', authenticate })
  t.strictSame(resolveOptions({ auth: { authenticate, secret: undefined } }).auth, { kind: 'custom', authenticate })
  t.equal(option({ auth: { authenticate, secret: 's' } }), 'auth.secret and auth.authenticate exclude each other')
  t.equal(option({ auth: { authenticate, requireExp: false } }), 'auth.requireExp and auth.authenticate exclude each other')
})

await t.test('origins are exact', async (t) => {
  const origins = ['https://a.com', 'http://localhost:3000', 'https://a.com:8443', 'http://[::1]:8080', 'capacitor://localhost', 'chrome-extension://abc']
  t.strictSame(resolveOptions({ origins }).origins, new Set(origins))
  t.strictSame(resolveOptions({ origins: [] }).origins, new Set())
  const allow = () => true
  t.equal(resolveOptions({ origins: allow }).origins, allow)
  for (const origin of [
    '*', 'https://*', 'https://*.a.com', 'a.com', '//a.com', 'https://a.com/', 'https://a.com/x', 'https://a.com?x', 'https://a.com#x', 'https://', '',
    'null', 'https://u@a.com', 'https:// a.com', 'https://a.com\\x', 'https://a.com:99999', 1, null, {}
  ]) t.match(option({ origins: ['https://ok.com', origin] }), /^origins\[1\] must be an exact origin/)
  t.equal(option({ origins: ['https://A.com'] }), 'origins[0] must be written as browsers send it, "https://a.com", got the string "https://A.com"')
  t.match(option({ origins: ['https://a.com:443'] }), /"https:\/\/a\.com", got/)
  t.match(option({ origins: ['https://ünï.com'] }), /"https:\/\/xn--/)
  t.match(option({ origins: 'https://a.com' }), /^origins must be an array of exact origins/)
})

await t.test('path and prefix', async (t) => {
  for (const path of ['/realtime', '/a/b', '/v1/:tenant/rt']) t.equal(resolveOptions({ path }).path, path)
  for (const path of ['', '/', 'realtime', '/a/', '//a', '/a//b', '/a?x', '/a#x', '/*', '/a b', '/' + 'x'.repeat(300)]) t.match(option({ path }), /^path must be a path/)
  for (const [prefix, resolved] of [['', ''], ['/', ''], ['/v1', '/v1'], ['/v1/', '/v1']]) t.equal(resolveOptions({ prefix }).prefix, resolved)
  for (const prefix of ['v1', '//', '/v1//', '/v 1', 1]) t.match(option({ prefix }), /^prefix must be a path/)
})

await t.test('draining', async (t) => {
  t.match(resolveOptions({ drain: { deadline: '1s' } }).drain, { spread: 1000, deadline: 1000 }, 'the default spread gives way')
  t.equal(option({ drain: { spread: '20s' } }), 'drain.spread must not be longer than drain.deadline (10000 ms)')
  t.match(resolveOptions({ drain: { spread: 0, code: 1001 } }).drain, { spread: 0, code: 1001 })
})

await t.test("@fastify/rate-limit's options pass, but not silently wrong ones", async (t) => {
  const max = () => 5
  const keyGenerator = () => 'x'
  t.strictSame(resolveOptions({ limits: { handshakes: { max, timeWindow: '1 minute', keyGenerator } } }).limits.handshakes, { max, timeWindow: 60_000, keyGenerator })
  t.equal(option({ limits: { handshakes: { max: '5' } } }), 'limits.handshakes.max must be an integer from 1 to 1000000, got the string "5"')
  t.match(option({ limits: { handshakes: { timeWindow: 'a while' } } }), /^limits\.handshakes\.timeWindow must be a duration/)
  t.match(option({ limits: { handshakes: 5 } }), /^limits\.handshakes must be an object/)
})

await t.test('rooms and route are handed on', async (t) => {
  const rooms = { 'chat:{id}': { join: () => true } }
  const route = { logLevel: 'warn' }
  t.equal(resolveOptions({ rooms }).rooms, rooms)
  t.equal(resolveOptions({ route }).route, route)
  t.match(option({ route: [] }), /^route must be/)
})

await t.test('a misspelt option of the route or of the handshakes is named too', async (t) => {
  const hook = () => {}
  t.equal(option({ route: { onRequst: hook } }), 'route.onRequst is unknown; did you mean route.onRequest?')
  t.equal(option({ route: { prehandler: [] } }), 'route.prehandler is unknown; did you mean route.preHandler?')
  t.equal(option({ route: { handler: hook, method: 'POST', url: '/x' } }), 'accepted', 'our own win, and are no misspelling')
  t.equal(option({ route: { helmet: false, compress: false, websocket: true, links: {}, hide: true } }), 'accepted', 'other plugins have options of their own')
  t.equal(option({ route: { onRequest: [hook], onTimeout: hook, logLevel: 'warn', constraints: { host: 'a.com' } } }), 'accepted')
  t.equal(option({ limits: { handshakes: { maxx: 3 } } }), 'limits.handshakes.maxx is unknown; did you mean limits.handshakes.max?')
  t.equal(option({ limits: { handshakes: { keygenerator: hook } } }), 'limits.handshakes.keygenerator is unknown; did you mean limits.handshakes.keyGenerator?')
  t.match(option({ limits: { handshakes: { zzz: 1 } } }), /^limits\.handshakes\.zzz is unknown; known here: max, timeWindow, /)
  t.equal(option({ limits: { handshakes: { max: 3, ban: 2, addHeaders: {}, cache: 10, groupId: 'a' } } }), 'accepted')
})

await t.test('a policy', async (t) => {
  const join = () => true
  const publish = () => false
  const schema = { type: 'object' }
  const callable = Object.assign(() => {}, { '~standard': {} })
  const onMessage = () => {}
  t.strictSame(
    resolvePolicy('a', {
      join, publish, events: { message: schema, 'note.added': callable }, history: false, presence: { grace: 0 }, typing: true, members: 5, onMessage
    }),
    {
      join,
      publish,
      events: new Map<string, object>([['message', schema], ['note.added', callable]]),
      history: null,
      presence: { grace: 0 },
      typing: true,
      members: 5,
      onJoin: null,
      onMessage,
      onLeave: null
    }
  )
  t.match(resolvePolicy('a', { presence: true }), { presence: { grace: 5_000 } })
  t.match(resolvePolicy('a', { presence: false, publish: 'members', members: Infinity }), { presence: null, publish: 'members', members: Infinity })
})

await t.test('a wrong policy', async (t) => {
  const room = 'rooms["chat:{id}"]'
  t.equal(policy(undefined), `${room} must be an object, got undefined`)
  t.equal(policy(() => {}), `${room} must be an object, got a function`)
  t.equal(policy({ join: true }), `${room}.join must be a function, got the boolean true`)
  t.equal(policy({ publish: 'all' }), `${room}.publish must be "members", "server" or a function, got the string "all"`)
  t.equal(policy({ history: true }), `${room}.history must be false or an object, got the boolean true`)
  t.equal(policy({ history: { size: 10_001 } }), `${room}.history.size must be an integer from 1 to 10000, got the number 10001`)
  t.match(policy({ history: { ttl: '0ms' } }), `${room}.history.ttl must be a duration from 1s to 30d`)
  t.equal(policy({ presence: 'yes' }), `${room}.presence must be a boolean or an object, got the string "yes"`)
  t.equal(policy({ typing: 1 }), `${room}.typing must be a boolean, got the number 1`)
  t.match(policy({ members: 0 }), `${room}.members must be an integer from 1`)
  t.equal(policy({ onJoin: {} }), `${room}.onJoin must be a function, got an object`)
  t.equal(policy({ events: [] }), `${room}.events must be an object of schemas by event, got an array`)
  t.equal(policy({ events: { a: 'string' } }), `${room}.events.a must be a schema, got the string "string"`)
  for (const event of ['presence', 'typing', 'reset', 'left', 'error']) t.equal(policy({ events: { [event]: {} } }), `${room}.events has the event "${event}", which is reserved`)
  for (const event of ['', 'a\nb', 'x'.repeat(65), '{a}']) t.match(policy({ events: { [event]: {} } }), /a name is 1 to 64 bytes/)
})

await t.test("rooms of users are the server's", async (t) => {
  for (const publish of ['members', () => true]) t.match(policy({ publish }, 'user:{id}'), 'rooms["user:{id}"].publish must be "server"')
  t.equal(policy({ publish: 'server' }, 'user:{id}'), 'accepted')
  t.equal(policy({ publish: 'members' }, 'users:{id}'), 'accepted')
})

await t.test('durations', async (t) => {
  const cases: Array<[value: unknown, ms: number | null]> = [
    [0, 0], [250, 250], [1.5, 1.5], ['250ms', 250], ['5s', 5_000], ['1.5s', 1_500], ['5m', 300_000], ['24h', 86_400_000], ['7d', 604_800_000],
    ['1 minute', 60_000], ['2 hours', 7_200_000], ['0s', 0],
    [-1, null], [NaN, null], [Infinity, null], ['', null], ['5', null], ['s', null], ['-5s', null], ['5 s ', null], ['5y', null], ['1e3s', null],
    ['5constructor', null], ['Infinity', null], ['5S', null], [null, null], [undefined, null], [{}, null], [['5s'], null], [5n, null]
  ]
  for (const [value, ms] of cases) t.equal(parseDuration(value), ms, String(value))
  t.equal(parseDuration('9'.repeat(100_000)), null)
})

await t.test('fuzz: options are resolved or refused by name, nothing else', async () => {
  fc.assert(fc.property(fc.anything({ withNullPrototype: true, withMap: true, withBigInt: true }), (value) => {
    const keys = ['path', 'prefix', 'auth', 'rooms', 'limits', 'idempotency', 'inbox', 'heartbeat', 'drain', 'origins', 'allowNoOrigin', 'stats', 'health', 'route']
    option(value)
    policy(value)
    for (const key of keys) option({ [key]: value })
  }), { numRuns: 500 })
})
