import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import manifest from '../../package.json' with { type: 'json' }
import { freePort } from '../helpers/free-port.js'
import { SECRET } from '../helpers/server.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Ends a process together with the one that started it, whichever way that ended. */
const ORPHANS_END = 'data:text/javascript,process.once("disconnect", () => process.kill(process.pid, "SIGKILL"))'

export interface DemoServer {
  /** The same over all starts. */
  readonly url: string
  /** Starts it again, after `kill`. Resolves when it listens. */
  start (): Promise<void>
  /** kill -9 of the process that listens. Resolves when it is gone. */
  kill (): Promise<void>
  post (path: string, body: object): Promise<Response>
  /** A token of somebody. */
  signIn (name: string): Promise<string>
  /** Connections that it has now. */
  connections (): Promise<number>
}

/**
 * The server of the demo, as `npm start` starts it, in a process of its own. All its starts share a port and a secret, so that whoever
 * was signed in still is.
 */
export async function startDemo (t: Test, variables: Readonly<Record<string, string>> = {}): Promise<DemoServer> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  // `tsx` would put a process of its own in front of the one that listens, and be the one that is killed.
  const [, ...args] = manifest.scripts.start.split(' ')
  // tap's own loaders must not come along.
  const { NODE_OPTIONS: _, ...env } = process.env
  let child: ChildProcess | undefined

  async function start (): Promise<void> {
    const started = spawn(process.execPath, ['--import', ORPHANS_END, '--import', 'tsx', ...args], {
      cwd: root,
      env: { ...env, PORT: String(port), JWT_SECRET: SECRET, LOG_LEVEL: 'warn', ...variables },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc']
    })
    child = started
    await new Promise<void>((resolve, reject) => {
      if (started.stdout !== null) createInterface({ input: started.stdout }).on('line', (line) => { if (line.includes(url)) resolve() })
      started.once('exit', (code) => reject(new Error(`the demo ended with ${code} before it listened`)))
    })
  }

  async function kill (): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  function post (path: string, body: object): Promise<Response> {
    return fetch(`${url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  }

  async function signIn (name: string): Promise<string> {
    const { token } = await (await post('/login', { name })).json() as { token: string }
    return token
  }

  t.teardown(kill)
  await start()
  return {
    url,
    start,
    kill,
    post,
    signIn,
    async connections () {
      const response = await fetch(`${url}/realtime/stats`, { headers: { authorization: `Bearer ${await signIn('auditor')}` } })
      const { activeConnections } = await response.json() as { activeConnections: number }
      return activeConnections
    }
  }
}
