import t from 'tap'
import { createApp } from '../helpers/app.js'
import { createTheatre, versions } from './stage.js'

const theatre = await createTheatre(t, 'room')

const list = 'stage.seen.room.messages.map(({ content }) => content).join()'

for (const react of versions) {
  await t.test(`React ${react}: the newest messages to begin with, and older ones on demand`, async (t) => {
    const app = await createApp(t, {
      rooms: { 'chat:{id}': { join: () => true, publish: 'members', history: { size: 1_000, ttl: '5m' } } },
      origins: () => true
    })
    const range = (from: number, to: number): string => Array.from({ length: to - from + 1 }, (_, index) => from + index).join()
    for (let n = 1; n <= 120; n++) await app.app.realtime.notifyRoom('chat:1', 'message', n)
    const scene = await theatre.open(t, app, { react, scene: 'bounded' })
    await scene.until(`${list} === "${range(116, 120)}" && stage.seen.room.hasOlder`)
    await scene.run('stage.seen.room.loadOlder().then((more) => { stage.seen.more = more })')
    await scene.until(`${list} === "${range(66, 120)}" && stage.seen.more === true`)
    await scene.run('stage.seen.room.loadOlder()')
    await scene.until(`${list} === "${range(16, 120)}"`)
    await scene.run('stage.seen.room.loadOlder().then((more) => { stage.seen.more = more })')
    await scene.until(`${list} === "${range(1, 120)}" && stage.seen.more === false && !stage.seen.room.hasOlder`)
    // 10 and the 115 that were loaded.
    for (let n = 121; n <= 130; n++) await app.app.realtime.notifyRoom('chat:1', 'message', n)
    await scene.until(`${list} === "${range(6, 130)}" && stage.seen.room.hasOlder`)
    await scene.run('stage.seen.room.loadOlder()')
    await scene.until(`${list} === "${range(1, 130)}" && !stage.seen.room.hasOlder`)
    t.equal(await scene.read('new Set(stage.seen.room.messages.map(({ id }) => id)).size'), 130)
    t.strictSame(scene.complaints, [])
  })

  await t.test(`React ${react}: a short log is known to be short, and a volatile room to have none`, async (t) => {
    const app = await createApp(t, {
      rooms: {
        'chat:1': { join: () => true, publish: 'members' },
        'chat:2': { join: () => true, publish: 'members', history: false }
      },
      origins: () => true
    })
    await app.app.realtime.notifyRoom('chat:1', 'message', 1)
    const scene = await theatre.open(t, app, { react, scene: 'one' })
    await scene.until(`${list} === "1" && stage.sent("history") === 1`)
    t.equal(await scene.read('stage.seen.room.hasOlder'), false)
    await scene.show('elsewhere')
    await scene.until('stage.joins("chat:2") === 1 && stage.seen.room.status === "joined"')
    await scene.run('stage.seen.room.send("volatile")')
    await scene.until(`${list} === "volatile" && stage.seen.room.messages[0].state === "sent"`)
    await scene.show('nothing')
    await scene.until('stage.leaves("chat:2") === 1')
    await scene.show('elsewhereBounded')
    await scene.until('stage.joins("chat:2") === 2 && stage.seen.room.status === "joined"')
    for (let n = 1; n <= 12; n++) await app.app.realtime.notifyRoom('chat:2', 'message', n)
    await scene.until(`${list} === "3,4,5,6,7,8,9,10,11,12"`)
    t.equal(await scene.read('stage.seen.room.hasOlder'), false, 'what was dropped is nowhere')
    t.equal(await scene.read('stage.frames.filter(({ type, roomId }) => type === "join" && roomId === "chat:2").at(-1).history'), 10, 'no more than the list holds')
    await scene.run('stage.seen.room.loadOlder().then((more) => { stage.seen.more = more })')
    await scene.until('stage.seen.more === false')
    t.equal(await scene.read('stage.sent("history")'), 1)
    t.equal(await scene.read('stage.seen.room.error'), undefined)
    t.strictSame(scene.complaints, [])
  })

  await t.test(`React ${react}: messages that an earlier page left are shown as pending, and sent`, async (t) => {
    const app = await createApp(t, {
      rooms: { 'chat:{id}': { join: () => true, publish: 'members' } },
      origins: () => true
    })
    const scene = await theatre.open(t, app, { react, scene: 'restored' })
    await scene.until(`${list} === "left behind" && stage.seen.room.messages[0].state === "pending"`)
    const id = await scene.read('stage.seen.room.messages[0].id')
    await scene.run('stage.goOnline()')
    await scene.until(`${list} === "left behind" && stage.seen.room.messages[0].state === "sent"`)
    t.equal(await scene.read('stage.seen.room.messages[0].id'), id)
    await scene.until('stage.client().pending().length === 0')
    t.strictSame(scene.complaints, [])
  })
}
