import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the ports that outgoing connections are given: one of those might have it while a server that is killed is to come back. */
const FIRST = 10_000
const LAST = 30_000

/** Test files that run at the same time look in different places: one could take a port between another's look and its server's start. */
const JOBS = 4
const SIZE = (LAST - FIRST) / JOBS
const first = FIRST + (Number(process.env.TAP_JOB_ID ?? 0) % JOBS) * SIZE
let next = Math.floor(Math.random() * SIZE)

/** A port of this machine on which nobody listens. Each is given once, whether it is in use yet or not. */
export async function freePort (): Promise<number> {
  for (;;) {
    const port = first + next++ % SIZE
    const server = createServer().listen(port, '127.0.0.1')
    const free = await new Promise<boolean>((resolve) => server.once('listening', () => resolve(true)).once('error', () => resolve(false)))
    if (!free) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
