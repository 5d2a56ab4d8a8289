import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { GENESIS, advance, chainOf, genesis, judge, metaTtl, open } from '../../lib/bridge/judge.js'
import { formatPosition, parsePosition } from '../../lib/protocol/position.js'
import type { Position } from '../../lib/protocol/position.js'

await t.test('the chain is what other languages compute', async t => {
  t.equal(chainOf('0', 'a'), createHash('sha1').update('0a').digest('hex').slice(0, 12))
  t.equal(chainOf('0', 'é'), createHash('sha1').update('0é', 'utf8').digest('hex').slice(0, 12))
  const second = advance(advance(genesis('epoch'), 'a'), 'b')
  t.same(second, { epoch: 'epoch', offset: 2, chain: chainOf(chainOf(GENESIS, 'a'), 'b') })
  t.same(parsePosition(formatPosition(second)), second)
  t.same(parsePosition(formatPosition(genesis('epoch'))), genesis('epoch'))
})

await t.test('a head is kept a day, or twice as long as its entries', async t => {
  t.equal(metaTtl(300_000), 24 * 3_600_000)
  t.equal(metaTtl(20 * 3_600_000), 40 * 3_600_000)
})

await t.test('open', async t => {
  const head = advance(advance(genesis('e'), 'a'), 'b')
  t.equal(open(null, null), null)
  t.equal(open(null, head), null, 'entries without a head belong to nothing')
  t.equal(open(head, head), head)
  t.equal(open(head, null), head, 'all entries have gone by age')
  t.equal(open(head, { offset: 1, chain: head.chain }), null)
  t.equal(open(head, { offset: 3, chain: head.chain }), null)
  t.equal(open(head, { offset: 2, chain: 'f'.repeat(12) }), null)
})

await t.test('judge', async t => {
  const positions = [genesis('e')]
  for (const id of ['a', 'b', 'c', 'd']) positions.push(advance(at(positions, positions.length - 1), id))
  const head = at(positions, 4)
  // Entries 3 and 4 are kept.
  const previous = (offset: number): string | undefined => offset >= 3 ? at(positions, offset - 1).chain : undefined
  const verdicts = positions.map(position => judge(position, head, previous))
  t.same(verdicts, ['trimmed', 'trimmed', 'recovered', 'recovered', 'recovered'])
  t.equal(judge({ ...head, epoch: 'f' }, head, previous), 'expired')
  t.equal(judge({ ...head, offset: 5 }, head, previous), 'diverged')
  t.equal(judge({ ...head, chain: 'abc' }, head, previous), 'diverged')
  t.equal(judge({ ...at(positions, 3), chain: 'abc' }, head, previous), 'diverged')
})

/**
 * A store that fails in every way a Redis can: it forgets entries, the head, or both, and goes back to an earlier state. It
 * runs the judge over what it has. Beside it stands what no store knows: the whole history that each position stands for.
 */
class Store {
  head: Position | null = null
  entries: Array<{ position: Position, previous: string, id: string }> = []
  /** Ids of all entries since the epoch began, trimmed ones too. Rolled back together with the store. */
  branch: string[] = []
  readonly saved: Array<Pick<Store, 'head' | 'entries' | 'branch'>> = []
  #epochs = 0

  open (): Position {
    const head = open(this.head, this.entries.at(-1)?.position ?? null)
    if (head !== null) return head
    this.entries = []
    this.branch = []
    this.head = genesis(`e${++this.#epochs}`)
    return this.head
  }

  publish (id: string): void {
    const head = this.open()
    this.head = advance(head, id)
    this.entries = [...this.entries, { position: this.head, previous: head.chain, id }]
    this.branch = [...this.branch, id]
  }

  trim (count: number): void {
    this.entries = this.entries.slice(count)
  }

  save (): void {
    const { head, entries, branch } = this
    this.saved.push({ head, entries, branch })
  }

  restore (index: number): void {
    const state = this.saved[index % Math.max(1, this.saved.length)]
    if (state !== undefined) Object.assign(this, state)
  }
}

/** Few different ids, so that after a rollback the same one often comes to the same offset again, as with a resend. */
const step = fc.oneof(
  { weight: 20, arbitrary: fc.record({ do: fc.constant('publish' as const), id: fc.constantFrom('a', 'b', 'c') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('trim' as const), count: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('save' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('restore' as const), index: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('lose head' as const, 'lose entries' as const, 'lose newest' as const) }) }
)

await t.test('never a false recovered, and no needless gap', async t => {
  const verdicts = new Map<string, number>()
  fc.assert(fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
    const store = new Store()
    /** Every position ever seen, with the history it stands for. */
    const known: Array<{ position: Position, history: string[] }> = []
    for (const step of steps) {
      if (step.do === 'publish') store.publish(step.id)
      else if (step.do === 'trim') store.trim(step.count)
      else if (step.do === 'save') store.save()
      else if (step.do === 'restore') store.restore(step.index)
      else if (step.do === 'lose head') store.head = null
      else if (step.do === 'lose entries') store.entries = []
      else store.entries = store.entries.slice(0, -1)

      const head = store.open()
      known.push({ position: head, history: store.branch })
      const find = (offset: number): Store['entries'][number] | undefined => store.entries.find(entry => entry.position.offset === offset)
      for (const { position, history } of known) {
        const verdict = judge(position, head, offset => find(offset)?.previous)
        verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
        const continues = position.epoch === head.epoch && history.every((id, index) => id === store.branch[index])
        if (verdict === 'recovered') {
          const after: Array<string | undefined> = []
          for (let offset = position.offset + 1; offset <= head.offset; offset++) after.push(find(offset)?.id)
          if (JSON.stringify([...history, ...after]) !== JSON.stringify(store.branch)) throw new Error('false recovered')
        } else if (continues && (position.offset === head.offset || find(position.offset + 1) !== undefined)) {
          throw new Error(`needless ${verdict}`)
        }
      }
    }
  }), { numRuns: 1000, seed: 20_260_101 })
  for (const verdict of ['recovered', 'expired', 'diverged', 'trimmed']) t.ok((verdicts.get(verdict) ?? 0) > 1000, verdict)
})

function at (positions: readonly Position[], index: number): Position {
  const position = positions[index]
  if (position === undefined) throw new Error(`no position ${index}`)
  return position
}
