// A log that could not be continued, over a server that does what the test says.
import t from 'tap'
import { createScriptedServer } from '../helpers/scripted-server.js'
import type { Peer, ScriptedServer } from '../helpers/scripted-server.js'
import { createTheatre, versions } from './stage.js'
import type { ReactVersion, Scene } from './stage.js'

const theatre = await createTheatre(t, 'room')

const entry = (n: number): object => ({ type: 'message', roomId: 'chat:1', event: 'message', userId: 'bob', content: n, timestamp: n, position: `p${n}` })
const entries = (from: number, to: number): object[] => Array.from({ length: to - from + 1 }, (_, index) => entry(from + index))

const list = 'stage.seen.room.messages.map(({ content, gap }) => (gap ? "|" : "") + content).join()'

/** A scene in a room whose join was answered with messages 1 to 5, which is all it asks for. */
async function stand (t: Parameters<typeof createScriptedServer>[0], react: ReactVersion, name = 'bounded'): Promise<{ server: ScriptedServer, scene: Scene, peer: Peer }> {
  const server = await createScriptedServer(t)
  const scene = await theatre.open(t, server, { react, scene: name })
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed({ 'chat:1': { position: 'p5', messages: name === 'bounded' ? entries(1, 5) : [] } })
  await scene.until('stage.seen.status.state === "connected"')
  return { server, scene, peer }
}

for (const react of versions) {
  await t.test(`React ${react}: after a gap the list goes on, marked where it is, or connected where the newest messages reach back`, async (t) => {
    for (const reaches of [true, false]) {
      const { server, scene, peer } = await stand(t, react)
      await scene.until(`${list} === "1,2,3,4,5"`)
      peer.ws.terminate()
      const again = await server.peer()
      again.welcome()
      const head = reaches ? 8 : 20
      await again.resumed({ 'chat:1': { position: `p${head}`, recovered: false, reason: 'trimmed', messages: entries(head - 4, head) } })
      await scene.until(`${list} === "${reaches ? '1,2,3,4,5,6,7,8' : '1,2,3,4,5,|16,17,18,19,20'}"`)
      t.equal(await scene.read('stage.seen.room.gap?.reason'), reaches ? undefined : 'trimmed')
      again.send(entry(head + 1))
      await scene.until(`stage.seen.room.messages.at(-1).content === ${head + 1}`)
      t.equal(await scene.read('stage.sent("history")'), 0, 'the answer brought what was needed')
    }
  })

  await t.test(`React ${react}: a reset in the middle of it all has the newest messages read`, async (t) => {
    const { scene, peer } = await stand(t, react)
    await scene.until(`${list} === "1,2,3,4,5"`)
    peer.send({ type: 'reset', roomId: 'chat:1', reason: 'trimmed', position: 'p8' })
    const asked = await peer.next('history')
    t.match(asked, { roomId: 'chat:1', limit: 5 })
    peer.send(entry(9))
    await scene.until(`${list} === "1,2,3,4,5,|9"`)
    peer.send({ type: 'ack', id: asked.id, roomId: 'chat:1', messages: entries(5, 9), more: true })
    await scene.until(`${list} === "1,2,3,4,5,6,7,8,9"`)
    t.equal(await scene.read('stage.seen.room.gap'), undefined)
    peer.send({ type: 'reset', roomId: 'chat:1', reason: 'diverged', position: 'p90' })
    const second = await peer.next('history')
    peer.send({ type: 'ack', id: second.id, roomId: 'chat:1', messages: entries(90, 94), more: true })
    await scene.until(`${list} === "5,6,7,8,9,|90,91,92,93,94"`)
    t.match(await scene.read('stage.seen.room.gap'), { reason: 'diverged', position: 'p90' })
    t.equal(await scene.read('stage.seen.room.hasOlder'), true)
  })

  await t.test(`React ${react}: messages between two gaps are where the log has them, whichever of the two is closed`, async (t) => {
    const { server, scene, peer } = await stand(t, react)
    await scene.until(`${list} === "1,2,3,4,5"`)
    peer.send({ type: 'reset', roomId: 'chat:1', reason: 'trimmed', position: 'p8' })
    await peer.next('history')
    peer.send(entry(9))
    peer.send({ type: 'reset', roomId: 'chat:1', reason: 'trimmed', position: 'p11' })
    const asked = await peer.next('history')
    peer.send(entry(12))
    await scene.until(`${list} === "1,2,3,4,5,|9,|12"`)
    peer.send({ type: 'ack', id: asked.id, roomId: 'chat:1', messages: entries(8, 12), more: true })
    await scene.until(`${list} === "1,2,3,4,5,|8,9,10,11,12"`)
    t.match(await scene.read('stage.seen.room.gap'), { position: 'p8' })
    peer.send({ type: 'reset', roomId: 'chat:1', reason: 'trimmed', position: 'p14' })
    await peer.next('history')
    peer.send(entry(15))
    await scene.until(`${list} === "2,3,4,5,|8,9,10,11,12,|15"`)
    peer.ws.terminate()
    const again = await server.peer()
    again.welcome()
    await again.resumed({ 'chat:1': { position: 'p16', recovered: false, reason: 'trimmed', messages: entries(12, 16) } })
    await scene.until(`${list} === "5,|8,9,10,11,12,13,14,15,16"`)
    t.strictSame(scene.complaints, [])
  })

  await t.test(`React ${react}: after a gap of a membership that somebody else began, without history, the newest messages are read`, async (t) => {
    const { server, scene, peer } = await stand(t, react)
    await scene.until(`${list} === "1,2,3,4,5"`)
    peer.send({ type: 'left', roomId: 'chat:1', reason: 'removed' })
    await scene.until('stage.seen.room.status === "left"')
    await scene.run('stage.client().room("chat:1")')
    const join = await peer.next('join')
    peer.send({ type: 'ack', id: join.id, roomId: 'chat:1', position: 'p7' })
    const asked = await peer.next('history')
    peer.send({ type: 'ack', id: asked.id, roomId: 'chat:1', messages: entries(3, 7), more: true })
    await scene.until(`${list} === "1,2,3,4,5,6,7"`)
    peer.ws.terminate()
    const again = await server.peer()
    again.welcome()
    await again.resumed({ 'chat:1': { position: 'p30', recovered: false, reason: 'trimmed', messages: [] } })
    await scene.until('stage.sent("history") === 2')
    const second = await again.next('history')
    again.send({ type: 'ack', id: second.id, roomId: 'chat:1', messages: entries(26, 30), more: true })
    await scene.until(`${list} === "3,4,5,6,7,|26,27,28,29,30"`)
    t.strictSame(scene.complaints, [])
  })

  await t.test(`React ${react}: a list without history marks the next message`, async (t) => {
    const { scene, peer } = await stand(t, react, 'live')
    const probe = await peer.next('history')
    peer.send({ type: 'ack', id: probe.id, roomId: 'chat:1', messages: [] })
    peer.send(entry(6))
    await scene.until(`${list} === "6"`)
    peer.send({ type: 'reset', roomId: 'chat:1', reason: 'trimmed', position: 'p8' })
    await scene.until('stage.seen.room.gap?.position === "p8"')
    peer.send(entry(9))
    peer.send(entry(10))
    await scene.until(`${list} === "6,|9,10"`)
    t.equal(await scene.read('stage.sent("history")'), 1)
  })

  await t.test(`React ${react}: pages before a log that was replaced come to an end, and answers to a list of before are dropped`, async (t) => {
    const { scene, peer } = await stand(t, react)
    await scene.until('stage.seen.room.hasOlder')
    await scene.run('Promise.all([stage.seen.room.loadOlder(), stage.seen.room.loadOlder()]).then((more) => { stage.seen.more = more.join() })')
    const asked = await peer.next('history')
    t.match(asked, { before: 'p1', limit: 50 })
    await scene.until('stage.seen.room.loadingOlder')
    peer.send({ type: 'ack', id: asked.id, roomId: 'chat:1', messages: entries(0, 0), more: true })
    await scene.until(`stage.seen.more === "true,true" && ${list} === "0,1,2,3,4,5"`)
    await scene.run('stage.seen.room.loadOlder()')
    const second = await peer.next('history')
    peer.send({ type: 'ack', id: second.id, roomId: 'chat:1', messages: [], reason: 'expired', more: true })
    await scene.until('stage.seen.room.hasOlder === false && stage.seen.room.loadingOlder === false')
    t.equal(await scene.read('stage.sent("history")'), 2, 'calls at a time are one')
    await scene.run('stage.seen.room.loadOlder().then((more) => { stage.seen.over = more })')
    await scene.until('stage.seen.over === false')
    t.equal(await scene.read('stage.sent("history")'), 2)
  })

  await t.test(`React ${react}: a page before a full list is joined to it, however many messages arrive meanwhile`, async (t) => {
    const { scene, peer } = await stand(t, react)
    for (const each of entries(6, 40)) peer.send(each)
    await scene.until(`stage.seen.room.hasOlder && ${list} === "31,32,33,34,35,36,37,38,39,40"`)
    await scene.run('stage.seen.room.loadOlder().then((more) => { stage.seen.more = more })')
    const asked = await peer.next('history')
    t.match(asked, { before: 'p31', limit: 50 })
    for (const each of entries(41, 45)) peer.send(each)
    await scene.until('stage.seen.room.messages.at(-1).content === 45')
    peer.send({ type: 'ack', id: asked.id, roomId: 'chat:1', messages: entries(21, 30), more: true })
    await scene.until('stage.seen.more === true')
    t.equal(await scene.read(list), Array.from({ length: 25 }, (_, index) => 21 + index).join())
    peer.send(entry(46))
    await scene.until('stage.seen.room.messages.at(-1).content === 46')
    t.equal(await scene.read('stage.seen.room.messages.length'), 25)
    await scene.run('stage.seen.more = undefined, stage.seen.room.loadOlder().then((more) => { stage.seen.more = more })')
    const second = await peer.next('history')
    t.match(second, { before: 'p22' })
    peer.send(entry(47))
    await scene.until('stage.seen.room.messages.at(-1).content === 47')
    peer.send({ type: 'error', id: second.id, code: 'internal', message: 'internal', retryable: false })
    await scene.until('stage.seen.more === true && stage.seen.room.messages.length === 25')
    t.equal(await scene.read('stage.seen.room.messages[0].content'), 23)
    t.strictSame(scene.complaints, [])
  })

  await t.test(`React ${react}: an error of a page is told, and the page can be asked for again`, async (t) => {
    const { scene, peer } = await stand(t, react)
    await scene.until('stage.seen.room.hasOlder')
    await scene.run('stage.seen.room.loadOlder()')
    const asked = await peer.next('history')
    peer.send({ type: 'error', id: asked.id, code: 'internal', message: 'internal', retryable: false })
    await scene.until('stage.seen.room.error?.code === "internal" && !stage.seen.room.loadingOlder')
    await scene.run('stage.seen.room.loadOlder()')
    const again = await peer.next('history')
    peer.send({ type: 'ack', id: again.id, roomId: 'chat:1', messages: entries(0, 0) })
    await scene.until(`${list} === "0,1,2,3,4,5" && stage.seen.room.error === undefined && !stage.seen.room.hasOlder`)
    t.pass()
  })
}
