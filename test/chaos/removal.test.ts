import t from 'tap'
import { startProxy, subscribes } from '../helpers/proxy.js'
import { startRedis } from '../helpers/redis.js'
import { createSdk } from '../helpers/sdk.js'
import { until } from '../helpers/until.js'
import { createNode, isUp } from './scene.js'

/** More than the log keeps: then it has forgotten the removal too. */
for (const [name, missed] of [['', 50], [', also where the log has forgotten that meanwhile', 300]] as const) {
  await t.test(`who is removed while the node hears nothing gets nothing that is published after that${name}`, async (t) => {
    const redis = await startRedis(t)
    const proxy = await startProxy(t, redis.port)
    const [far, near] = [await createNode(t, 'far', redis.port), await createNode(t, 'near', proxy.port)]
    const say = (content: string): Promise<unknown> => far.app.realtime.notifyRoom('small:1', 'message', content)
    const [mallory, alice] = await Promise.all(['mallory', 'alice'].map(async (userId) => {
      const room = createSdk(t, near, userId).client.room('small:1')
      const heard: unknown[] = []
      room.on('message', ({ content }) => heard.push(content))
      room.on('left', ({ reason }) => heard.push(`left: ${reason}`))
      room.on('reset', ({ reason }) => heard.push(`reset: ${reason}`))
      await room.ready()
      return heard
    }))
    if (mallory === undefined || alice === undefined) return
    await say('before')
    await until('mallory got one', () => mallory.length === 1)

    proxy.blackHole({ which: subscribes })
    await far.app.realtime.removeUser('mallory', 'small:1')
    const after = Array.from({ length: missed }, (_, index) => `after ${index}`)
    for (const content of after) await say(content)
    proxy.heal()
    await until('it is up, and mallory was told', async () => await isUp(near) && mallory.length > 1)
    await say('later')
    await until('alice got the last one', () => alice.at(-1) === 'later')
    t.same(mallory, ['before', 'left: removed'])
    t.same(alice, ['before', ...(missed > 100 ? ['reset: trimmed'] : after), 'later'])
  })
}
