import t from 'tap'
import { Refusal } from '../../lib/index.js'
import { createApp } from '../helpers/app.js'
import { createSdk, untilStatus } from '../helpers/sdk.js'

await t.test('a policy that fails once while the client reconnects costs it neither the room nor what it has queued', async (t) => {
  let failures = 0
  let asked = 0
  const app = await createApp(t, {
    rooms: {
      'team:{id}': {
        join () {
          asked++
          if (failures === 0) return true
          failures--
          throw new Error('the database is away for a moment')
        },
        publish: 'members'
      }
    }
  })
  const { client, sockets, errors } = createSdk(t, app, 'ann')
  const room = await client.joinRoom('team:1')
  const bob = await app.connect('bob')
  await bob.request({ type: 'join', roomId: 'team:1' })

  failures = 1
  const asks = asked
  const down = untilStatus(client, 'waiting')
  sockets.last.terminate()
  await down
  await room.send('written offline')
  t.match(await bob.next('message'), { content: 'written offline', userId: 'ann' })
  t.equal(room.state, 'joined')
  t.equal(asked, asks + 2, 'asked again, by itself')
  t.same(errors, [])

  failures = 2
  const other = await client.joinRoom('team:2')
  t.equal(other.state, 'joined', 'a first join, too')
  t.same(errors, [])
})

await t.test('what the application refuses is refused for good', async (t) => {
  const app = await createApp(t, { rooms: { 'team:{id}': { join () { throw new Refusal('not today') }, publish: 'members' } } })
  const { client } = createSdk(t, app, 'ann')
  await t.rejects(client.joinRoom('team:1'), { code: 'refused', retryable: false })
})
