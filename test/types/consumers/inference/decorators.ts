/* eslint-disable @typescript-eslint/no-unused-vars -- values are here for their types */
import type { FastifyInstance } from 'fastify'
import { equal } from './equal.js'
import type { Api } from './rooms.js'
import { getOrder, ping, rooms } from './rooms.js'

declare module 'fastify-realtime' {
  interface Register { api: Api, user: { id: string, name: string } }
}

export async function rightAndWrong (app: FastifyInstance, id: string, n: number, kind: 'chat' | 'user'): Promise<void> {
  const { realtime } = app

  // Room ids: literals and templates are looked up, a string is taken as it is.
  await realtime.notifyRoom('chat:1', 'message', { text: 'x' })
  await realtime.notifyRoom(`chat:${id}`, 'message', { text: 'x' }, { key: 'k', userId: 'u' })
  await realtime.notifyRoom(`chat:${n}`, 'edit', { n, at: new Date() })
  await realtime.notifyRoom(`org:${id}:files:${id}`, 'saved', { path: 'a' })
  await realtime.notifyRoom('org:acme:files:a:b:c', 'saved', { path: 'a' })
  await realtime.notifyRoom(`${id}:news`, 'item', 'x')
  await realtime.notifyRoom('acme:news', 'item', 'x')
  await realtime.notifyRoom('lobby', 'anything', { at: 'all' })
  await realtime.notifyRoom(`open:${id}`, 'anything', 5)
  await realtime.notifyRoom(id, 'anything', 5)
  // @ts-expect-error no such room
  await realtime.notifyRoom('chta:1', 'message', { text: 'x' })
  // @ts-expect-error no such room
  await realtime.notifyRoom(`chta:${id}`, 'message', { text: 'x' })
  // @ts-expect-error {id} never crosses a colon
  await realtime.notifyRoom('chat:1:2', 'message', { text: 'x' })
  // @ts-expect-error {id} never crosses a colon
  await realtime.notifyRoom(`chat:${id}:${n}`, 'message', { text: 'x' })
  // @ts-expect-error a placeholder is not empty
  await realtime.notifyRoom('chat:', 'message', { text: 'x' })
  // @ts-expect-error not even in the middle
  await realtime.notifyRoom('org::files:a', 'saved', { path: 'a' })
  // @ts-expect-error nor is a remainder
  await realtime.notifyRoom('org:acme:files:', 'saved', { path: 'a' })
  // @ts-expect-error too short
  await realtime.notifyRoom('org:acme:files', 'saved', { path: 'a' })
  // @ts-expect-error the pattern is not the room
  await realtime.notifyRoom('lobb', 'anything', 1)

  // The most specific pattern decides about events.
  await realtime.notifyRoom('chat:lobby', 'wave', { at: 1 })
  // @ts-expect-error an event of the wider pattern
  await realtime.notifyRoom('chat:lobby', 'message', { text: 'x' })
  await realtime.notifyRoom('chat:news', 'message', { text: 'x' })

  // Events and content.
  // @ts-expect-error misspelt event
  await realtime.notifyRoom(`chat:${id}`, 'mesage', { text: 'x' })
  // @ts-expect-error wrong content
  await realtime.notifyRoom(`chat:${id}`, 'message', { text: 1 })
  // @ts-expect-error missing content
  await realtime.notifyRoom(`chat:${id}`, 'message', {})
  // @ts-expect-error unknown option
  await realtime.notifyRoom(`chat:${id}`, 'message', { text: 'x' }, { retain: true })
  // @ts-expect-error an event that not all of these rooms have
  await realtime.notifyRoom(`${kind}:${id}`, 'message', { text: 'x' })

  // Direct messages are declared, broadcasts are not.
  await realtime.sendDirect('u', 'shipped', { order: 'x' })
  // @ts-expect-error wrong content
  await realtime.sendDirect('u', 'shipped', { order: 4 })
  // @ts-expect-error misspelt event
  await realtime.sendDirect('u', 'shiped', { order: 'x' })
  await realtime.broadcast('anything', 5)
  await realtime.broadcastUserUpdate('u', { name: 'x' })
  // @ts-expect-error wrong content
  await realtime.broadcastUserUpdate('u', { name: 4 })

  // Reading and moving.
  const page = await realtime.history(`chat:${id}`)
  for (const message of page.messages) {
    if (message.event === 'edit') equal<typeof message.content, { n: number, at: string }>(true)
    else equal<typeof message.content, { text: string }>(true)
  }
  const untyped = await realtime.history(id)
  equal<NonNullable<typeof untyped.messages[0]>['content'], unknown>(true)
  await realtime.presence(`chat:${id}`, { limit: 10 })
  await realtime.joinUser('u', `chat:${id}`)
  // @ts-expect-error no such room
  await realtime.presence('chta:1')
  // @ts-expect-error no such room
  await realtime.history('chta:1')
  // @ts-expect-error no such room
  await realtime.joinUser('u', 'chta:1')
  // @ts-expect-error no such room
  await realtime.removeUser('u', 'chta:1', 'spam')

  const direct = await realtime.sendDirect('u', 'shipped', { order: 'x' }, { receipt: true, timeout: '3s' })
  equal<NonNullable<typeof direct.receipts>['missing'], readonly string[]>(true)

  realtime.room(rooms)
  realtime.handle(getOrder)
  realtime.handle(ping)
  realtime.addHook('onConnect', (ctx) => { equal<typeof ctx.user.name, string>(true) })
  realtime.addHook('onMessage', async (ctx, message) => { equal<typeof message.content, unknown>(true) })
  realtime.addHook('onDisconnect', (ctx, reason) => { equal<typeof reason.code, number>(true) })
  // @ts-expect-error no such hook
  realtime.addHook('onPublish', () => {})
}

// With the default of `Register` gone, the user is known in every context.
equal<Parameters<NonNullable<typeof rooms['chat:{id}']['join']>>[0]['user']['name'], string>(true)
