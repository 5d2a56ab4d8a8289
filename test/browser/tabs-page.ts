import { createClient, shareTabs } from 'fastify-realtime/client'
import type { Client } from 'fastify-realtime/client'

/** What the test asks the page for. */
export interface TabsPage {
  readonly client: Client
  /** Contents of the room's messages, as they came. */
  readonly seen: unknown[]
  readonly directs: unknown[]
  readonly gaps: unknown[]
}

const page: { readonly fetch: typeof fetch, readonly location?: { readonly search: string }, tab?: TabsPage } = globalThis
const user = new URLSearchParams(page.location?.search).get('user') ?? ''
const client = createClient({
  url: '/realtime',
  getToken: async () => await (await fetch(`/token/${user}`)).text(),
  backoff: { min: 20, max: 100 },
  shareTabs: shareTabs()
})
const tab: TabsPage = { client, seen: [], directs: [], gaps: [] }
const room = client.room('chat:1', { since: 'start' })
room.on('message', ({ content }) => tab.seen.push(content))
room.on('reset', (gap) => tab.gaps.push(gap))
client.on('direct', ({ content }) => tab.directs.push(content))
client.on('reset', (gap) => tab.gaps.push(gap))
page.tab = tab
