// Messages from `send` to their place in the log, over a server that does what the test says.
import t from 'tap'
import type { ClientFrame } from '../helpers/scripted-server.js'
import { ack, echo, list, next, stand } from './script.js'
import { createTheatre, versions } from './stage.js'

const theatre = await createTheatre(t, 'room')

for (const react of versions) {
  await t.test(`React ${react}: echo and acknowledgement, whichever comes first, settle one item`, async (t) => {
    const { scene, peer } = await stand(t, theatre, react)
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
    const { scene, peer } = await stand(t, theatre, react)
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
    const { server, scene, peer } = await stand(t, theatre, react)
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
    const { scene, peer } = await stand(t, theatre, react)
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

  await t.test(`React ${react}: all messages of one answer are one rerender`, async (t) => {
    const { server, scene, peer } = await stand(t, theatre, react)
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
