import t from 'tap'
import { createScriptedServer } from '../helpers/scripted-server.js'
import { admit, heard, untilStatus } from '../helpers/sdk.js'
import { createBrowser, openTab } from '../helpers/tabs.js'

await t.test('what the server sends that is no frame is reported by the tab with the socket, and the stream goes on', async (t) => {
  const server = await createScriptedServer(t)
  const browser = createBrowser()
  const first = openTab(t, browser, server, 'ann', { name: 'ann' })
  const peer = await admit(server, first.client)
  const second = openTab(t, browser, server, 'ann', { name: 'ann' })
  const told = [first, second].map(({ client }) => heard<{ content: unknown }>(client, 'broadcast'))
  // The second one's part of the resume, which the hub asks the server for.
  await Promise.race([untilStatus(second.client, 'connected'), peer.resumed()])
  await untilStatus(second.client, 'connected')
  for (const text of ['', 'null', '5', '{"type":"ack"}']) peer.ws.send(text)
  peer.send({ type: 'broadcast', event: 'still', content: 'here', timestamp: 1 })
  for (const { content } of await Promise.all(told)) t.equal(content, 'here')
  t.ok(first.errors.length >= 3, String(first.errors.length))
  t.same(second.errors, [])
})

await t.test('a token that no socket takes is asked for anew, also where tabs are to share', async (t) => {
  const server = await createScriptedServer(t)
  server.http = () => ({ status: 401 })
  const answers = ['<html>502 Bad Gateway</html>', 'a.b.c']
  const { client } = openTab(t, createBrowser(), server, 'ann', { name: 'ann', getToken: () => answers.shift() ?? null })
  const peer = await server.peer()
  t.equal(peer.protocol, 'realtime.v1,bearer.a.b.c')
  t.match(client.status, { state: 'connecting', reason: 'expired', code: undefined })
})
