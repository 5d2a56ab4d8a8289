import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { FastifyJWTOptions } from '@fastify/jwt'
import { errors } from '../errors.js'

/** ECDSA has one algorithm a curve. */
const CURVES: Readonly<Record<string, Algorithm>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }

function ask (why: string): never {
  throw new errors.RT_ERR_OPTION(`auth.algorithms: name the algorithms to accept, ${why}`)
}

/** Those @fastify/jwt knows, without `none`: a token without a signature is nobody's. */
export type Algorithm = Exclude<NonNullable<NonNullable<FastifyJWTOptions['verify']>['algorithms']>[number], 'none'>

const ALGORITHMS: readonly Algorithm[] = [
  'HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'
]

/** Algorithms by name. */
export function checkAlgorithms (names: readonly string[]): Algorithm[] {
  return names.map(name => ALGORITHMS.find(known => known === name) ?? ask(`not ${JSON.stringify(name)}`))
}

function ofPublicKey (key: KeyObject): Algorithm {
  switch (key.asymmetricKeyType) {
    case 'rsa': return 'RS256'
    case 'rsa-pss': return 'PS256'
    case 'ed25519':
    case 'ed448': return 'EdDSA'
    case 'ec': return CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? ask('the curve of auth.secret is not a JWT one')
    default: return ask('the type of the key in auth.secret is not a JWT one')
  }
}

/** The one algorithm that tokens of this secret are signed with by default. */
export function algorithmOfSecret (secret: NonNullable<FastifyJWTOptions['secret']>): Algorithm {
  if (typeof secret === 'string' || Buffer.isBuffer(secret)) {
    // A public key taken for a shared secret would let everyone who knows the public key sign.
    if (secret.toString().includes('-----BEGIN ')) {
      throw new errors.RT_ERR_OPTION('auth.secret: keys in PEM are given as { public, private }')
    }
    return 'HS256'
  }
  const key = typeof secret === 'object' && 'public' in secret ? secret.public : undefined
  if (typeof key !== 'string' && !Buffer.isBuffer(key)) return ask('auth.secret does not show its type before it is used')
  try {
    return ofPublicKey(createPublicKey(key))
  } catch (cause) {
    if (cause instanceof errors.RT_ERR_OPTION) throw cause
    throw new errors.RT_ERR_OPTION('auth.secret.public is not a public key', { cause })
  }
}

/** What the application's own @fastify/jwt accepts, or else signs with. */
export function algorithmsOfInstance (fastify: FastifyInstance): Algorithm[] {
  // Registered under a namespace alone, it is not to be found here.
  const jwt: Partial<FastifyInstance['jwt']> | undefined = fastify.hasDecorator('jwt') ? fastify.jwt : undefined
  if (jwt?.options === undefined || jwt.sign === undefined) return ask('@fastify/jwt is registered under a namespace')
  const pinned = jwt.options.verify.algorithms
  if (pinned !== undefined && pinned.length > 0) return checkAlgorithms(pinned)
  let token: unknown
  try {
    token = jwt.sign({ probe: true })
  } catch {
    return ask('@fastify/jwt is set up to verify only')
  }
  // With keys looked up for every request there is nothing to sign with here; what came back is a promise.
  if (typeof token !== 'string') {
    if (token instanceof Promise) token.catch(() => {})
    return ask('@fastify/jwt looks its keys up for every request')
  }
  const header: unknown = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())
  const alg = typeof header === 'object' && header !== null && 'alg' in header ? header.alg : undefined
  return typeof alg === 'string' ? checkAlgorithms([alg]) : ask('@fastify/jwt does not tell which one it signs with')
}
