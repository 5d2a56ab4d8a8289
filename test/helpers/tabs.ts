import { BroadcastChannel } from 'node:worker_threads'
import type { Test } from 'tap'
import { shareTabs } from '../../lib/client/index.js'
import type { ClientOptions, TabChannel, TabChannelClass, TabLocks } from '../../lib/client/index.js'
import type { TestApp } from './app.js'
import { createSdk } from './sdk.js'
import type { Sdk } from './sdk.js'

interface Request {
  readonly name: string
  readonly owner: object
  granted: boolean
  grant (): void
  steal (): void
}

/** A browser: tabs in it share locks and channels. Node has no Web Locks; these do what the standard says of exclusive ones. */
export interface TestBrowser {
  /** What one tab sees of it. */
  tab (): TestTab
}

export interface TestTab {
  readonly locks: TabLocks
  readonly BroadcastChannel: TabChannelClass
  /** Ends without a word: whatever it holds is taken from it, and it neither hears nor says anything. */
  crash (): void
  /** Hears nothing from now on, and keeps what it holds. */
  freeze (): void
}

export function createBrowser (): TestBrowser {
  let requests: Request[] = []

  function settle (name: string): void {
    const first = requests.find((request) => request.name === name)
    if (first && !first.granted) first.grant()
  }

  function leave (request: Request): void {
    requests = requests.filter((other) => other !== request)
    settle(request.name)
  }

  return {
    tab () {
      const owner = {}
      const channels = new Set<TabChannel>()
      let gone = false
      let frozen = false
      const locks: TabLocks = {
        request: (name, { signal, steal }, hold) => new Promise((resolve, reject) => {
          if (gone) return
          const aborted = (): void => reject(new DOMException('aborted', 'AbortError'))
          const request: Request = {
            name,
            owner,
            granted: false,
            grant () {
              request.granted = true
              // As in browsers: never in the turn in which it was asked for.
              setImmediate(() => {
                if (gone) return
                Promise.resolve().then(hold).then(resolve, reject).finally(() => leave(request))
              })
            },
            steal: aborted
          }
          if (signal?.aborted) {
            aborted()
            return
          }
          signal?.addEventListener('abort', () => {
            if (request.granted) return
            leave(request)
            aborted()
          })
          if (steal === true) {
            const stolen = requests.filter((other) => other.name === name && other.granted)
            requests = [request, ...requests.filter((other) => !stolen.includes(other))]
            for (const other of stolen) other.steal()
          } else requests.push(request)
          settle(name)
        })
      }
      class Channel implements TabChannel {
        onmessage: ((event: { data: unknown }) => void) | null = null
        readonly #channel: BroadcastChannel

        constructor (name: string) {
          this.#channel = new BroadcastChannel(name)
          this.#channel.onmessage = (event: { data: unknown }) => { if (!gone && !frozen) this.onmessage?.(event) }
          channels.add(this)
        }

        postMessage (message: unknown): void {
          if (!gone && !frozen) this.#channel.postMessage(message)
        }

        close (): void {
          this.#channel.close()
        }
      }
      return {
        locks,
        BroadcastChannel: Channel,
        crash () {
          gone = true
          for (const channel of channels) channel.close()
          const names = requests.filter((request) => request.owner === owner).map(({ name }) => name)
          requests = requests.filter((request) => request.owner !== owner)
          for (const name of names) settle(name)
        },
        freeze () {
          frozen = true
        }
      }
    }
  }
}

export interface TabSdk<Api = unknown> extends Sdk<Api> {
  readonly tab: TestTab
  /** The process of the tab is killed: no handler of it hears anything any more. */
  crash (): void
}

/** A client in a tab of its own. */
export function openTab<Api = unknown> (
  t: Test, browser: TestBrowser, app: Pick<TestApp, 'wsUrl' | 'token'>, userId: string, { name, ...options }: Partial<ClientOptions> & { name?: string } = {}
): TabSdk<Api> {
  const tab = browser.tab()
  const sdk = createSdk<Api>(t, app, userId, { shareTabs: shareTabs({ ...tab, name }), ...options })
  return {
    ...sdk,
    tab,
    crash () {
      tab.crash()
      for (const socket of sdk.sockets.all) socket.terminate()
      // Nothing of it must go on in this process.
      sdk.client.close()
    }
  }
}
