// Another package, which sees nothing of the server but its declarations. TypeScript writes `any` where it cannot name a type.
import type * as server from 'server'
import { createApp, decorator } from 'server'
import type { Api, calls, chat, direct, everything, getOrder, history, methods, notify, policyOf, rooms } from 'server'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
type IsAny<T> = 0 extends 1 & T ? true : false
function equal<A, B> (same: Equal<A, B>): void { if (!same) throw new Error('not the same type') }

/** The names of a module's exports that are any, or return it. */
type Anys<Module> = {
  [Name in keyof Module]: IsAny<Module[Name]> extends true ? Name
    : Module[Name] extends (...args: never[]) => infer Result
      ? IsAny<Result> extends true ? Name : IsAny<Awaited<Result>> extends true ? Name : never
      : never
}[keyof Module]
equal<Anys<typeof server>, never>(true)
equal<Anys<typeof methods>, never>(true)
equal<Anys<typeof everything>, never>(true)

equal<Api['rooms']['chat:{id}'], { message: { text: string }, edit: { n: number, at: Date } }>(true)
equal<Api['rooms']['user:{id}'], { hello: { text: string } }>(true)
equal<Api['calls'], { 'orders.get': { content: { id: string }, response: { total: number, placed: Date } }, ping: { content: unknown, response: { pong: boolean } } }>(true)
equal<Api['direct'], { shipped: { order: string, at: Date } }>(true)
equal<Api['broadcast'], { maintenance: { minutes: number } }>(true)
equal<keyof typeof rooms, 'chat:{id}' | 'user:{id}' | 'tally:{id}'>(true)
equal<Parameters<NonNullable<typeof chat.join>>[0]['params'], { readonly id: string }>(true)
equal<Parameters<NonNullable<typeof chat.join>>[0]['user']['name'], string>(true)
equal<Parameters<NonNullable<ReturnType<typeof policyOf>['onMessage']>>[1]['event'], 'message' | 'edit'>(true)
equal<typeof getOrder.event, 'orders.get'>(true)
equal<Parameters<typeof calls.getOrder.handler>[1], { id: string }>(true)
equal<Awaited<ReturnType<typeof notify>>['position'], string | undefined>(true)
equal<Awaited<ReturnType<typeof history>>['messages'][number]['event'], 'message' | 'edit'>(true)
equal<NonNullable<Awaited<ReturnType<typeof direct>>['receipts']>['missing'], readonly string[]>(true)
equal<Awaited<ReturnType<typeof everything.stats>>['eventLoopDelay']['p99'], number>(true)

export async function use (): Promise<void> {
  const app = await createApp()
  await app.realtime.notifyRoom('chat:1', 'message', { text: 'x' })
  // @ts-expect-error the registration of the server package came along
  await app.realtime.notifyRoom('chta:1', 'message', { text: 'x' })
  // @ts-expect-error wrong content
  await decorator.notifyRoom('chat:1', 'message', { text: 1 })
}
