// Modules that make a client run on servers too, where pages are rendered and there is no page.
import t from 'tap'
import { createClient } from '../../lib/client/index.js'
import type { QueueStorage, SocketClass } from '../../lib/client/index.js'

function forbidden (): never {
  throw new Error('touched')
}

function createSocketClass (opened: (url: string) => void): SocketClass {
  return class {
    onopen = null
    onmessage = null
    onclose = null
    onerror = null
    constructor (url: string) { opened(url) }
    send (): void {}
    close (): void {}
  }
}

await t.test('a relative address without a page: nothing happens, until somebody wants to connect', async (t) => {
  const errors: unknown[] = []
  const storage: QueueStorage = { load: forbidden, put () {}, delete () {} }
  const client = createClient({
    url: '/realtime', getToken: forbidden, WebSocket: createSocketClass(forbidden), fetch: forbidden, queue: { storage }, onError: (error) => errors.push(error)
  })
  const room = client.room('chat:1')
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame(client.status, { state: 'idle', attempt: 0 })
  t.equal(room.state, 'joining')
  await t.rejects(client.connect(), TypeError)
  t.equal(client.status.state, 'idle')
  t.strictSame(errors, [])
  client.close()
})

await t.test('in a page it is relative to that', async (t) => {
  const page = { href: 'https://example.com/shop/index.html' }
  t.teardown(() => Reflect.deleteProperty(globalThis, 'location'))
  Reflect.set(globalThis, 'location', page)
  const opened = new Promise<string>((resolve) => {
    const client = createClient({ url: 'realtime', WebSocket: createSocketClass(resolve) })
    t.teardown(() => client.close())
    page.href = 'https://example.com/elsewhere/'
  })
  t.equal(await opened, 'wss://example.com/shop/realtime')
})
