import type { Clock } from '../../clock.js'
import type { NodeReplies } from '../bridge.js'

/** Longer timeouts fire at once in Node.js. */
const MAX_DELAY = 2 ** 31 - 1

/** Commands and questions to the one node there is, each answered in bounded time. */
export class NodeCalls {
  readonly #clock: Clock
  readonly #nodeId: string
  /** Ends each pending call as unanswered. */
  readonly #pending = new Set<() => void>()

  constructor (clock: Clock, nodeId: string) {
    this.#clock = clock
    this.#nodeId = nodeId
  }

  call (run: () => Promise<unknown>, timeout: number): Promise<NodeReplies> {
    return new Promise(resolve => {
      const settle = (replies: NodeReplies): void => {
        this.#pending.delete(giveUp)
        cancel()
        resolve(replies)
      }
      const giveUp = (): void => settle({ replies: [], unreachable: [this.#nodeId] })
      const cancel = this.#clock.timeout(giveUp, Math.min(timeout, MAX_DELAY))
      this.#pending.add(giveUp)
      answer(run).then(
        value => settle({ replies: [{ nodeId: this.#nodeId, value }], unreachable: [] }),
        giveUp
      )
    })
  }

  close (): void {
    for (const giveUp of this.#pending) giveUp()
  }
}

/** Through JSON, like an answer from another machine: what does not survive that must not work here either. */
async function answer (run: () => Promise<unknown>): Promise<unknown> {
  const value = await run()
  const json: unknown = JSON.parse(JSON.stringify(value) ?? 'null')
  return json
}
