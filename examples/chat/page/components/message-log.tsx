import type { ReactNode } from 'react'
import { dayOf, sameDay } from '../format.js'
import type { Line } from '../line.js'
import { Log } from './log.js'
import { DayRow, GapRow, MessageRow } from './rows.js'

/** Messages of one author within this time share one heading, in ms. */
const TOGETHER = 5 * 60_000

interface MessageLogProps {
  readonly me: string
  readonly lines: readonly Line[]
  /** Messages may be missing behind the last line. */
  readonly gapAtEnd: boolean
  readonly older?: { readonly loading: boolean, load (): unknown } | undefined
  readonly empty: string
  onRetry (id: string): void
  onDiscard (id: string): void
  /** Gets what is missing at a gap. Without it there is nothing to be had. */
  onReload? (): void
}

/** What people said to each other. */
export function MessageLog ({ me, lines, gapAtEnd, older, empty, onRetry, onDiscard, onReload }: MessageLogProps): ReactNode {
  const rows: ReactNode[] = []
  let previous: Line | undefined
  for (const { userId, gap, ...line } of lines) {
    const { id, timestamp } = line
    const newDay = previous === undefined || !sameDay(previous.timestamp, timestamp)
    if (newDay) rows.push(<DayRow key={`day ${id}`}>{dayOf(timestamp)}</DayRow>)
    if (gap) rows.push(<GapRow key={`gap ${id}`} onReload={onReload} />)
    const follows = !newDay && !gap && previous?.userId === userId && timestamp - previous.timestamp < TOGETHER
    rows.push(
      <MessageRow
        key={id} {...line} author={userId ?? 'server'} mine={userId === me} follows={follows} onRetry={onRetry} onDiscard={onDiscard}
      />
    )
    previous = { userId, gap, ...line }
  }
  if (gapAtEnd) rows.push(<GapRow key='gap at end' onReload={onReload} />)
  // Those that failed stay at the end, whatever is said behind them.
  const newest = lines.findLast(({ state }) => state !== 'failed')
  return <Log last={newest?.id} own={newest?.userId === me} older={older} empty={empty}>{rows}</Log>
}
