// Messages from `send` to their place in the log, over a server that does what the test says.
import t from 'tap'
import { createScriptedServer } from '../helpers/scripted-server.js'
import type { ClientFrame, Peer, ScriptedServer } from '../helpers/scripted-server.js'
import { createTheatre, versions } from './stage.js'
import type { ReactVersion, Scene } from './stage.js'

const theatre = await createTheatre(t, 'room')

const echo = ({ roomId, content, key }: ClientFrame, position: string, userId = 'ann'): object =>
  ({ type: 'message', roomId, event: 'message', userId, content, key, timestamp: 1, position })

const ack = ({ id, roomId, key }: ClientFrame, position: string, more: object = {}): object => ({ type: 'ack', id, roomId, key, timestamp: 1, position, ...more })

const others = (from: number, to: number): object[] => Array.from({ length: to - from + 1 }, (_, index) => (
  { type: 'message', roomId: 'chat:1', event: 'message', userId: 'bob', content: from + index, timestamp: from + index, position: `p${from + index}` }
))

const list = 'stage.seen.room.messages.map(({ content, state }) => content + " " + state).join()'

interface Stand {
  readonly server: ScriptedServer
  readonly scene: Scene
  readonly peer: Peer
}

async function stand (t: Parameters<typeof createScriptedServer>[0], react: ReactVersion, name = 'one', rooms: Readonly<Record<string, object>> = {}): Promise<Stand> {
  const server = await createScriptedServer(t)
  const scene = await theatre.open(t, server, { react, scene: name })
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed(rooms)
  await scene.until('stage.seen.status.state === "connected"')
  return { server, scene, peer }
}

async function next (server: ScriptedServer, rooms: Readonly<Record<string, object>> = {}): Promise<Peer> {
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed(rooms)
  return peer
}

for (const react of versions) {
  await t.test(`React ${react}: echo and acknowledgement, whichever comes first, settle one item`, async (t) => {
    const { scene, peer } = await stand(t, react)
    for (const [index, first] of ['echo', 'ack'].entries()) {
      await scene.run(`stage.seen.room.send("m${index}")`)
      const frame = await peer.next('message')
      await scene.until(`${list}.endsWith("m${index} pending")`)
      const id = await scene.read(`stage.seen.room.messages[${index}].id`)
      const frames = [echo(frame, `p${index + 1}`), ack(frame, `p${index + 1}`)]
      for (const one of first === 'echo' ? frames : frames.reverse()) {
        peer.send(one)
        await scene.until(`${list}.endsWith("m${index} sent")`)
      }
      // Behind it everything before has been handled.
      peer.send({ type: 'typing', roomId: 'chat:1', userId: `after ${index}`, typing: true })
      await scene.until(`stage.seen.room.typing.includes("after ${index}")`)
      t.equal(await scene.read(`stage.seen.room.messages[${index}].id`), id)
      t.equal(await scene.read('stage.seen.room.messages.length'), index + 1)
    }
    t.strictSame(scene.complaints, [])
  })

  await t.test(`React ${react}: an equal key of somebody else is another message`, async (t) => {
    const { scene, peer } = await stand(t, react)
    await scene.run('stage.seen.room.send("mine")')
    const frame = await peer.next('message')
    peer.send({ ...echo(frame, 'p1', 'bob'), content: 'theirs' })
    await scene.until(`${list} === "theirs sent,mine pending"`)
    peer.send(echo(frame, 'p2'))
    peer.send(ack(frame, 'p2'))
    await scene.until(`${list} === "theirs sent,mine sent"`)
    t.equal(await scene.read('new Set(stage.seen.room.messages.map(({ id }) => id)).size'), 2)
  })

  await t.test(`React ${react}: an echo that comes after a reconnect only, and an acknowledgement that never came`, async (t) => {
    const { server, scene, peer } = await stand(t, react)
    await scene.run('stage.seen.room.send("acknowledged")')
    await scene.run('stage.seen.room.send("in doubt")')
    const [first, second] = [await peer.next('message'), await peer.next('message')]
    peer.send(ack(first, 'p1'))
    await scene.until(`${list} === "acknowledged sent,in doubt pending"`)
    const ids = await scene.read('stage.seen.room.messages.map(({ id }) => id).join()')
    peer.ws.terminate()
    const again = await next(server, { 'chat:1': { position: 'p3', recovered: true, messages: [echo(first, 'p1'), { ...echo(second, 'p2', 'bob'), content: 'between' }, echo(second, 'p3')] } })
    await scene.until(`${list} === "acknowledged sent,between sent,in doubt sent"`)
    const resent = await again.next('message')
    t.equal(resent.key, second.key)
    again.send(ack(resent, 'p3', { duplicate: true }))
    await scene.until('stage.client().pending().length === 0')
    t.equal(await scene.read('stage.seen.room.messages.filter(({ userId }) => userId === "ann").map(({ id }) => id).join()'), ids)
    t.equal(await scene.read('stage.seen.room.messages.length'), 3)
  })

  await t.test(`React ${react}: a refused message fails, and is tried again by the key it has, or discarded`, async (t) => {
    const { scene, peer } = await stand(t, react)
    await scene.run('stage.seen.room.send("bad").then((value) => { stage.seen.settled = String(value) })')
    const frame = await peer.next('message')
    const refuse = ({ id, key }: ClientFrame, code: string): void => peer.send({ type: 'error', id, key, code, message: code, retryable: false })
    refuse(frame, 'refused')
    await scene.until(`${list} === "bad failed" && stage.seen.settled === "undefined"`)
    t.equal(await scene.read('stage.seen.room.messages[0].error.code'), 'refused')
    const id = await scene.read('stage.seen.room.messages[0].id')
    await scene.run('stage.seen.room.retry(stage.seen.room.messages[0].id)')
    const second = await peer.next('message')
    t.equal(second.key, frame.key)
    refuse(second, 'conflict')
    await scene.until(`${list} === "bad failed" && stage.seen.room.messages[0].error.code === "conflict"`)
    await scene.run('stage.seen.room.retry(stage.seen.room.messages[0].id)')
    const third = await peer.next('message')
    t.not(third.key, frame.key, 'that key means something else')
    t.equal(await scene.read('stage.seen.room.messages[0].id'), id)
    peer.send(echo(third, 'p1'))
    peer.send(ack(third, 'p1'))
    await scene.until(`${list} === "bad sent"`)
    await scene.run('stage.seen.room.send("worse")')
    refuse(await peer.next('message'), 'refused')
    await scene.until(`${list} === "bad sent,worse failed"`)
    await scene.show('nothing')
    await peer.next('leave')
    await scene.show('one')
    const join = await peer.next('join')
    peer.send({ type: 'ack', id: join.id, roomId: 'chat:1', position: 'p1', messages: [echo(third, 'p1')] })
    await scene.until(`${list} === "bad sent,worse failed"`)
    await scene.run('stage.seen.room.discard(stage.seen.room.messages[1].id)')
    await scene.until(`${list} === "bad sent"`)
  })

  await t.test(`React ${react}: a stored message that had arrived long ago is left to the log, and holds nothing`, async (t) => {
    for (const name of ['inDoubt', 'inDoubtLive'] as const) {
      const { scene, peer } = await stand(t, react, name, { 'chat:1': { position: 'p60', messages: name === 'inDoubt' ? others(56, 60) : [] } })
      const resent = await peer.next('message')
      t.equal(resent.key, 'k1')
      await scene.until('stage.seen.room.messages.at(-1)?.state === "pending"')
      peer.send(ack(resent, 'p2', { timestamp: 2, duplicate: true }))
      await scene.until('!stage.seen.room.messages.some(({ state }) => state === "pending")')
      for (const each of others(61, 61)) peer.send(each)
      await scene.until('stage.seen.room.messages.at(-1)?.content === 61')
      t.equal(await scene.read(list), [...name === 'inDoubt' ? [56, 57, 58, 59, 60] : [], 61].map((n) => `${n} sent`).join())
      t.equal(await scene.read('stored()'), '')
      await scene.show('nothing')
      await scene.until('stage.leaves("chat:1") === 1')
      t.strictSame(scene.complaints, [])
    }
  })

  await t.test(`React ${react}: a stored message that had arrived is put where the log has it, and an echo that still comes is it`, async (t) => {
    const { scene, peer } = await stand(t, react, 'inDoubt', { 'chat:1': { position: 'p60', messages: others(56, 60) } })
    const resent = await peer.next('message')
    await scene.until('stage.seen.room.messages.length === 6')
    const id = await scene.read('stage.seen.room.messages[5].id')
    peer.send(ack(resent, 'p61', { timestamp: 61, duplicate: true }))
    await scene.until(`${list}.endsWith("60 sent,left behind sent")`)
    peer.send(echo(resent, 'p61'))
    for (const each of others(62, 62)) peer.send(each)
    await scene.until(`${list}.endsWith("60 sent,left behind sent,62 sent")`)
    t.equal(await scene.read('stage.seen.room.messages[5].id'), id)
    t.equal(await scene.read('stage.seen.room.messages.length'), 7)
  })

  await t.test(`React ${react}: an acknowledgement that a handler of the application kept from us leaves the message to the log`, async (t) => {
    const { server, scene, peer } = await stand(t, react, 'closesWhenSent')
    const resent = await peer.next('message')
    await scene.until(`${list} === "left behind pending"`)
    peer.send(ack(resent, 'p2', { timestamp: 2, duplicate: true }))
    await scene.until(`${list} === "" && stage.seen.status.state === "closed"`)
    await scene.run('stage.client().connect()')
    await next(server, { 'chat:1': { position: 'p3', recovered: true, messages: others(3, 3) } })
    await scene.until(`${list} === "3 sent"`)
    t.strictSame(scene.complaints, [])
  })

  await t.test(`React ${react}: a room is left when what the application sent there itself is acknowledged`, async (t) => {
    const { scene, peer } = await stand(t, react)
    await scene.until('stage.seen.room.status === "joined"')
    await scene.run('stage.client().send("chat:1", "beside the hooks")')
    const frame = await peer.next('message')
    await scene.show('nothing')
    await scene.until('stage.seen["room mounted"] === false')
    await scene.read('stage.turn()')
    t.equal(await scene.read('stage.leaves("chat:1")'), 0)
    peer.send(ack(frame, 'p1'))
    await scene.until('stage.leaves("chat:1") === 1')
  })

  await t.test(`React ${react}: what is discarded is never sent, though the client keeps what it could not send`, async (t) => {
    const { server, scene, peer } = await stand(t, react, 'stored')
    await scene.run('stage.seen.room.send("regretted")')
    await scene.run('stage.seen.room.send("meant")')
    await Promise.all([peer.next('message'), peer.next('message')])
    peer.ws.close(4403)
    await scene.until(`${list} === "regretted failed,meant failed" && stage.seen.status.state === "closed"`)
    await scene.run('stage.seen.room.discard(stage.seen.room.messages[0].id)')
    await scene.until(`${list} === "meant failed"`)
    await scene.run('stage.client().connect()')
    const again = await next(server)
    const sent = await again.next('message')
    t.equal(sent.content, 'meant')
    again.send(ack(sent, 'p1'))
    again.send(echo(sent, 'p1'))
    await scene.until(`${list} === "meant sent"`)
    t.equal(again.frames.filter(({ type }) => type === 'message').length, 1)
    t.equal(await scene.read('stored()'), '')
    t.strictSame(scene.complaints, [])
  })

  await t.test(`React ${react}: what is discarded while the client reads its storage is not sent either`, async (t) => {
    const { server, scene, peer } = await stand(t, react, 'stored')
    await scene.run('stage.seen.room.send("regretted")')
    await peer.next('message')
    peer.ws.close(4403)
    await scene.until(`${list} === "regretted failed" && stage.seen.status.state === "closed"`)
    await scene.run('window.lock(), stage.client().connect()')
    await scene.run('stage.seen.room.discard(stage.seen.room.messages[0].id)')
    await scene.run('window.unlock()')
    const again = await next(server)
    await scene.until('stage.seen.status.state === "connected"')
    await scene.run('stage.seen.room.send("next")')
    t.equal((await again.next('message')).content, 'next')
    t.equal(await scene.read(list), 'next pending')
  })

  await t.test(`React ${react}: what the application takes back is not shown any longer`, async (t) => {
    const { server, scene } = await stand(t, react)
    await scene.run('stage.goOffline()')
    await scene.until('stage.seen.status.state !== "connected"')
    await scene.run('stage.seen.room.send("regretted").then((value) => { stage.seen.settled = String(value) })')
    await scene.run('stage.seen.room.send("meant")')
    await scene.until(`${list} === "regretted pending,meant pending"`)
    await scene.run('stage.client().discard(stage.client().pending()[0])')
    await scene.until(`${list} === "meant pending" && stage.seen.settled === "undefined"`)
    await scene.run('stage.goOnline()')
    const again = await next(server)
    t.equal((await again.next('message')).content, 'meant')
  })

  await t.test(`React ${react}: a failed message that was sent after all, while nobody looked, is not shown as failed`, async (t) => {
    const { server, scene, peer } = await stand(t, react, 'storedOwn')
    await scene.run('stage.seen.room.send("kept")')
    await peer.next('message')
    peer.ws.close(4403)
    await scene.until(`${list} === "kept failed" && stage.seen.status.state === "closed"`)
    await scene.show('nothing')
    await scene.until('stage.seen["room mounted"] === false')
    await scene.read('stage.turn()')
    await scene.run('stage.client().connect()')
    const again = await next(server)
    const resent = await again.next('message')
    again.send(ack(resent, 'p1', { duplicate: true }))
    await scene.until('stage.client().pending().length === 0')
    await scene.show('one')
    const asked = await again.next('history')
    again.send({ type: 'ack', id: asked.id, roomId: 'chat:1', messages: others(60, 60), more: true })
    await scene.until(`${list} === "60 sent"`)
    t.strictSame(scene.complaints, [])
  })

  await t.test(`React ${react}: what somebody else left behind is not sent, and can be discarded for good`, async (t) => {
    const { scene, peer } = await stand(t, react, 'somebodyElses')
    await scene.until(`${list} === "left behind failed" && stage.seen.room.messages[0].error.code === "other_user"`)
    await scene.run('stage.seen.room.retry(stage.seen.room.messages[0].id)')
    await scene.read('stage.turn()')
    t.equal(await scene.read(list), 'left behind failed')
    t.equal(await scene.read('stored()'), 'k1')
    await scene.run('stage.seen.room.discard(stage.seen.room.messages[0].id)')
    await scene.until(`${list} === ""`)
    t.equal(await scene.read('stored()'), '')
    t.equal(peer.frames.filter(({ type }) => type === 'message').length, 0)
  })

  await t.test(`React ${react}: all messages of one answer are one rerender`, async (t) => {
    const { server, scene, peer } = await stand(t, react)
    const probe = await peer.next('history')
    peer.send({ type: 'ack', id: probe.id, roomId: 'chat:1', messages: [] })
    await scene.until('stage.seen.room.status === "joined"')
    peer.ws.terminate()
    await scene.until('stage.seen.room.status === "joining"')
    const again = await server.peer()
    again.welcome()
    const frame: ClientFrame = { type: 'message', id: 1, roomId: 'chat:1', content: 'x' }
    await scene.until('stage.seen.status.state === "connecting"')
    await scene.run('stage.renders.room = 0')
    await again.resumed({ 'chat:1': { position: 'p99', recovered: true, messages: Array.from({ length: 100 }, (_, index) => echo(frame, `p${index}`, 'bob')) } })
    await scene.until('stage.seen.room.messages.length === 100 && stage.seen.status.state === "connected"')
    // One for the answer, one for the status of the connection.
    t.ok(await scene.read<number>('stage.renders.room') <= 2)
  })
}
