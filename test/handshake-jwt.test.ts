import { createHmac, generateKeyPairSync } from 'node:crypto'
import jwt from '@fastify/jwt'
import t from 'tap'
import type { AuthOptions } from '../types/options.js'
import { dial, httpApp } from './helpers/http-app.js'
import type { HttpApp } from './helpers/http-app.js'
import { SECRET } from './helpers/server.js'

const now = () => Math.floor(Date.now() / 1000)
const DAY = 86_400

/** A token made by hand, of any header and payload. */
function forge (header: object, payload: object | string, key: string | null = SECRET): string {
  const encode = (part: object | string) => Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
  const input = `${encode({ typ: 'JWT', ...header })}.${encode(payload)}`
  return `${input}.${key === null ? '' : createHmac('sha256', key).update(input).digest('base64url')}`
}

const claims = { sub: 'ada', exp: now() + DAY }

function keys (type: 'rsa' | 'ec' | 'ed25519', namedCurve = 'P-256') {
  const { publicKey, privateKey } = type === 'rsa'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : type === 'ec' ? generateKeyPairSync('ec', { namedCurve }) : generateKeyPairSync('ed25519')
  return {
    public: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    private: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  }
}

async function statusOf (t: Parameters<typeof dial>[0], app: HttpApp, token: string): Promise<number> {
  return (await dial(t, app, { token })).status
}

await t.test('only tokens signed by the pinned algorithm', async t => {
  const app = await httpApp(t)
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, claims)), 101)
  t.equal(await statusOf(t, app, forge({ alg: 'none' }, claims, null)), 401, 'unsigned')
  t.equal(await statusOf(t, app, forge({ alg: 'none' }, claims)), 401)
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, claims, null)), 401, 'signature cut off')
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, claims, 'another-secret')), 401)
  t.equal(await statusOf(t, app, forge({ alg: 'HS256', crit: ['exp'] }, claims)), 401)
  t.equal(await statusOf(t, app, app.app.jwt.sign(claims, { algorithm: 'HS512' })), 401, 'another algorithm with the same secret')
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, 'no json')), 401)
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, '"ada"')), 401)
})

await t.test('the algorithm follows from the type of the key', async t => {
  for (const [secret, alg] of [[keys('rsa'), 'RS256'], [keys('ec'), 'ES256'], [keys('ec', 'P-384'), 'ES384'], [keys('ed25519'), 'EdDSA']] as const) {
    const app = await httpApp(t, { auth: { secret } })
    const token = app.token()
    t.match(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()), { alg })
    t.equal(await statusOf(t, app, token), 101, alg)
    t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, claims, secret.public)), 401, 'the public key is no shared secret')
  }
})

await t.test('algorithms given by hand, also for what fastify.jwt signs', async t => {
  const app = await httpApp(t, { auth: { secret: SECRET, algorithms: ['HS512'] } })
  t.equal(await statusOf(t, app, app.token()), 101)
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, claims)), 401)
})

await t.test('secrets that cannot be pinned name the option', async t => {
  const { public: publicKey } = keys('rsa')
  const option = (message: RegExp) => ({ code: 'RT_ERR_OPTION', message })
  await t.rejects(httpApp(t, { auth: { secret: publicKey } }), option(/auth\.secret/), 'a public key as shared secret')
  await t.rejects(httpApp(t, { auth: { secret: { public: 'no key' } } }), option(/auth\.secret\.public/))
  await t.rejects(httpApp(t, { auth: { secret: async () => SECRET } }), option(/auth\.algorithms/))
  const app = await httpApp(t, { auth: { secret: async () => SECRET, algorithms: ['HS256'] } })
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, claims)), 101)
})

await t.test('exp', async t => {
  const app = await httpApp(t)
  const withExp = (exp: unknown) => statusOf(t, app, forge({ alg: 'HS256' }, { sub: 'ada', exp }))
  t.equal(await withExp(now() - 1), 401)
  t.equal(await withExp(undefined), 401, 'required by default')
  t.equal(await withExp(String(now() + DAY)), 401, 'text')
  t.equal(await withExp(null), 401)
  t.equal(await withExp([now() + DAY]), 401)
  t.equal(await withExp(-1), 401)
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, '{"sub":"ada","exp":1e999}')), 401, 'not a time')
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, '{"sub":"ada","exp":1e300}')), 401)
  t.equal(app.accepted.length, 0)

  t.equal(await withExp(now() + 60 * DAY), 101, '60 days')
  t.ok((app.accepted[0]?.identity.expiresAt ?? 0) > Date.now() + 59 * DAY * 1000)
  t.equal(await withExp(now() + DAY + 0.5), 101, 'a fraction')
})

await t.test('exp may be waived, but not be wrong', async t => {
  const app = await httpApp(t, { auth: { secret: SECRET, requireExp: false } })
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, { sub: 'ada' })), 101)
  t.equal(app.accepted[0]?.identity.expiresAt, null)
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, { sub: 'ada', exp: now() - 1 })), 401)
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, { sub: 'ada', exp: 'never' })), 401)
})

await t.test('nbf', async t => {
  const app = await httpApp(t)
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, { ...claims, nbf: now() + DAY })), 401)
})

await t.test('sub', async t => {
  const app = await httpApp(t)
  const withSub = (sub: unknown) => statusOf(t, app, forge({ alg: 'HS256' }, { ...claims, sub }))
  for (const sub of [undefined, null, '', 7, { toString: 'ada' }, ['ada'], 'a\nb', '{a}', 'a'.repeat(201)]) {
    t.equal(await withSub(sub), 401, JSON.stringify(sub)?.slice(0, 20))
  }
  t.equal(await withSub('ä'.repeat(100)), 101)
})

await t.test('claims cannot reach the prototype, nor stand in for the id', async t => {
  const app = await httpApp(t)
  const payload = `{"sub":"ada","exp":${now() + DAY},"id":"eve","__proto__":{"admin":true},"role":"user"}`
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, payload)), 101)
  const user = app.accepted[0]?.identity.user
  t.equal(user?.id, 'ada')
  t.equal(user?.admin, undefined)
  t.equal(user && Object.getPrototypeOf(user), Object.prototype)
  t.notOk(user && Object.hasOwn(user, '__proto__'))
})

await t.test('auth.user maps the payload', async t => {
  const auth: AuthOptions = {
    secret: SECRET,
    async user ({ uid }) {
      if (uid === 'nobody') throw Object.assign(new Error('no such user'), { statusCode: 401 })
      if (uid === 'later') throw new Error('the database is down')
      return { id: `u-${String(uid)}`, name: 'Ada' }
    }
  }
  const app = await httpApp(t, { auth })
  t.equal(await statusOf(t, app, app.token({ sub: undefined, uid: 7 })), 101)
  t.same(app.accepted[0]?.identity.user, { id: 'u-7', name: 'Ada' })
  t.equal(await statusOf(t, app, app.token({ uid: 'nobody' })), 401)
  t.equal(await statusOf(t, app, app.token({ uid: 'later' })), 503, 'a failure is no verdict on the token')
  t.equal(await statusOf(t, app, app.token({ uid: '{' })), 401, 'the id is checked all the same')
  t.equal(await statusOf(t, app, app.token({ uid: 7, exp: undefined })), 401, 'and exp')
})

await t.test("the application's @fastify/jwt is used where there is one", async t => {
  const app = await httpApp(t, { auth: {} }, {
    before: async app => { await app.register(jwt, { secret: 'the-app', sign: { algorithm: 'HS384' } }) }
  })
  t.equal(await statusOf(t, app, app.token()), 101)
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, claims, 'the-app')), 401, 'pinned to what it signs with')
})

await t.test('formatUser makes the user, the token keeps id and expiry', async t => {
  const app = await httpApp(t, { auth: {} }, {
    before: async app => {
      await app.register(jwt, { secret: SECRET, formatUser: payload => ({ id: 1, name: typeof payload === 'object' && 'name' in payload ? payload.name : '' }) })
    }
  })
  t.equal(await statusOf(t, app, app.token({ name: 'Ada' })), 101)
  t.same(app.accepted[0]?.identity.user, { id: 'ada', name: 'Ada' })
  t.ok((app.accepted[0]?.identity.expiresAt ?? 0) > Date.now())
  t.equal(await statusOf(t, app, app.token({ exp: undefined })), 401)
})

await t.test('trusted, complete and ignoreExpiration of the application', async t => {
  const app = await httpApp(t, { auth: {} }, {
    before: async app => {
      await app.register(jwt, {
        secret: SECRET,
        trusted: (_request, token) => JSON.stringify(token).includes('revoked') === false,
        verify: { complete: true, ignoreExpiration: true }
      })
    }
  })
  t.equal(await statusOf(t, app, app.token({ name: 'Ada' })), 101)
  t.match(app.accepted[0]?.identity.user, { id: 'ada', name: 'Ada' })
  t.equal(app.accepted[0]?.identity.user.signature, undefined)
  t.equal(await statusOf(t, app, app.token({ jti: 'revoked' })), 401)
  t.equal(await statusOf(t, app, app.token({ exp: now() - 5 })), 401, 'expired is expired')
})

await t.test('a secret of our own beside a jwt of the application', async t => {
  const app = await httpApp(t, { auth: { secret: SECRET } }, {
    before: async app => { await app.register(jwt, { secret: 'the-app' }) }
  })
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, claims)), 101)
  t.equal(await statusOf(t, app, forge({ alg: 'HS256' }, claims, 'the-app')), 401)
})

await t.test('what cannot be reused names the option', async t => {
  const { public: publicKey } = keys('ec')
  const option = (message: RegExp) => ({ code: 'RT_ERR_OPTION', message })
  await t.rejects(httpApp(t, { auth: {} }), option(/auth\.secret/), 'nothing registered')
  await t.rejects(httpApp(t, { auth: {} }, {
    before: async app => { await app.register(jwt, { secret: SECRET, namespace: 'admin' }) }
  }), option(/auth\.secret/), 'only a namespace')
  await t.rejects(httpApp(t, { auth: {} }, {
    before: async app => { await app.register(jwt, { secret: SECRET, namespace: 'admin', jwtVerify: 'jwtVerify' }) }
  }), option(/auth\.algorithms/), 'a namespace that calls its verification like that')
  await t.rejects(httpApp(t, { auth: {} }, {
    before: async app => { await app.register(jwt, { secret: { public: publicKey } }) }
  }), option(/auth\.algorithms/), 'cannot sign')
  await t.rejects(httpApp(t, { auth: {} }, {
    before: async app => { await app.register(jwt, { secret: async () => SECRET }) }
  }), option(/auth\.algorithms/), 'looks its key up')
})

await t.test('verify-only is fine once the algorithm is named, here or there', async t => {
  const pair = keys('ec')
  const signer = await httpApp(t, { auth: { secret: pair } })
  const token = signer.token()
  for (const [auth, verify] of [[{ algorithms: ['ES256'] }, {}], [{}, { algorithms: ['ES256' as const] }]] as const) {
    const app = await httpApp(t, { auth: { ...auth } }, {
      before: async app => { await app.register(jwt, { secret: { public: pair.public }, verify: { ...verify, algorithms: verify.algorithms && [...verify.algorithms] } }) }
    })
    t.equal(await statusOf(t, app, token), 101)
  }
})

await t.test('a key lookup that fails is no verdict on the token', async t => {
  const app = await httpApp(t, { auth: { secret: async () => { throw new Error('key server down') }, algorithms: ['HS256'] } })
  const { status, headers, body } = await dial(t, app, { token: forge({ alg: 'HS256' }, claims) })
  t.equal(status, 503)
  t.ok(headers['retry-after'])
  t.notMatch(body, 'key server')
})
