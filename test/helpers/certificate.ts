import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { findProgram } from '../../scripts/provision.js'

/** Paths of a certificate for 127.0.0.1 and its key, and what trusts it. */
export interface Certificate {
  readonly cert: string
  readonly key: string
  /** The certificate itself, PEM: it is signed by nobody else. */
  readonly ca: string
}

/** Makes one that lasts a day; gone with the test. */
export async function makeCertificate (t: Test): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), 'realtime-tls-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const args = [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-subj', '/CN=127.0.0.1',
    '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert
  ]
  const program = findProgram('openssl')
  if (program === undefined) throw new Error('openssl is missing: sudo apt-get install openssl')
  await promisify(execFile)(program, args)
  return { cert, key, ca: await readFile(cert, 'utf8') }
}
