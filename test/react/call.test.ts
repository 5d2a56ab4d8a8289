import t from 'tap'
import { createApp } from '../helpers/app.js'
import { createTheatre, versions } from './stage.js'

const theatre = await createTheatre(t, 'others')

for (const react of versions) {
  await t.test(`React ${react}: a call shows what became of the last one`, async (t) => {
    const waiting = new Map<number, () => void>()
    const answer = async (_context: unknown, content: unknown): Promise<number> => {
      const number = Number(content)
      if (number < 0) throw new Error('negative')
      if (number > 100) await new Promise<void>((resolve) => waiting.set(number, resolve))
      return number * 2
    }
    const target = await createApp(t, {
      origins: () => true,
      after (app) {
        app.realtime.handle('twice', {}, answer)
        app.realtime.handle('thrice', {}, answer)
      }
    })
    const until = async (number: number): Promise<() => void> => {
      for (;;) {
        const release = waiting.get(number)
        if (release !== undefined) return release
        await new Promise(setImmediate)
      }
    }
    const scene = await theatre.open(t, target, { react, scene: 'call', strict: true })
    await scene.until('stage.seen.call !== undefined')
    const ask = (number: number): Promise<void> => scene.run(`stage.seen.call.call(${number}).then((value) => { stage.seen["answer ${number}"] = value }, (error) => { stage.seen["error ${number}"] = error })`)
    t.match(await scene.read('JSON.stringify(stage.seen.call)'), '{"pending":false}')
    await ask(2)
    await scene.until('stage.seen.call.data === 4 && !stage.seen.call.pending')
    await ask(101)
    await scene.until('stage.seen.call.pending && stage.seen.call.data === 4')
    const first = await until(101)
    await ask(102)
    const second = await until(102)
    second()
    await scene.until('stage.seen.call.data === 204 && !stage.seen.call.pending')
    first()
    await scene.until('stage.seen["answer 101"] === 202')
    t.equal(await scene.read('stage.seen.call.data'), 204, 'the last call wins')
    // Nobody waits for it: no unhandled rejection.
    await scene.run('stage.seen.call.call(-1)')
    await scene.until('stage.seen.call.error?.code === "internal" && !stage.seen.call.pending')
    await scene.run('stage.seen.call.reset()')
    await scene.until('stage.seen.call.error === undefined && stage.seen.call.data === undefined')
    await ask(103)
    const third = await until(103)
    await scene.show('otherCall')
    await scene.until('!stage.seen.call.pending')
    third()
    await scene.until('stage.seen["answer 103"] === 206')
    t.equal(await scene.read('stage.seen.call.data'), undefined, 'an answer to another name')
    await ask(104)
    const fourth = await until(104)
    await scene.show('nothing')
    await scene.until('stage.seen.mounted === false')
    fourth()
    await scene.until('stage.seen["answer 104"] === 208')
    t.strictSame(scene.complaints, [])
  })
}
