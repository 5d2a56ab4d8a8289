import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import t from 'tap'
import { algorithmOfSecret, checkAlgorithms } from '../lib/http/algorithms.js'

const pem = ({ publicKey }: { publicKey: KeyObject }) => ({ public: publicKey.export({ type: 'spki', format: 'pem' }).toString() })

await t.test('one algorithm a type of key', async t => {
  t.equal(algorithmOfSecret('secret'), 'HS256')
  t.equal(algorithmOfSecret(Buffer.from('secret')), 'HS256')
  t.equal(algorithmOfSecret(pem(generateKeyPairSync('rsa', { modulusLength: 2048 }))), 'RS256')
  t.equal(algorithmOfSecret(pem(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }))), 'PS256')
  for (const [namedCurve, algorithm] of [['P-256', 'ES256'], ['P-384', 'ES384'], ['P-521', 'ES512']] as const) {
    t.equal(algorithmOfSecret(pem(generateKeyPairSync('ec', { namedCurve }))), algorithm)
  }
  t.equal(algorithmOfSecret(pem(generateKeyPairSync('ed25519'))), 'EdDSA')
  t.equal(algorithmOfSecret(pem(generateKeyPairSync('ed448'))), 'EdDSA')
})

await t.test('what shows none asks for it, and what is wrong is said', async t => {
  const asks = { code: 'RT_ERR_OPTION', message: /auth\.algorithms/ }
  t.throws(() => algorithmOfSecret(pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }))), asks)
  t.throws(() => algorithmOfSecret(pem(generateKeyPairSync('x25519'))), asks)
  t.throws(() => algorithmOfSecret(async () => 'secret'), asks)
  t.throws(() => algorithmOfSecret({ public: async () => 'secret' }), asks)
  t.throws(() => algorithmOfSecret({ key: 'secret', passphrase: '' }), asks)
  t.throws(() => algorithmOfSecret({ public: 'no key' }), { code: 'RT_ERR_OPTION', message: /auth\.secret\.public/ })
  t.throws(() => algorithmOfSecret(pem(generateKeyPairSync('ed25519')).public), { code: 'RT_ERR_OPTION', message: /PEM/ })
  for (const name of ['none', 'None', 'HS1', '']) t.throws(() => checkAlgorithms([name]), asks)
  t.same(checkAlgorithms(['ES256', 'RS256']), ['ES256', 'RS256'])
})
