import { memo } from 'react'
import type { ReactNode } from 'react'
import { timeOf } from '../format.js'
import type { Line } from '../line.js'
import { Avatar } from './avatar.js'
import { Icon } from './icons.js'

export function DayRow ({ children }: { children: string }): ReactNode {
  return <li className='rule'><span>{children}</span></li>
}

/** An explicit gap: nobody is left to guess. */
export function GapRow ({ onReload }: { onReload?: (() => void) | undefined }): ReactNode {
  return (
    <li className='rule gap' data-gap=''>
      <span>Messages may be missing here</span>
      {onReload !== undefined && <button className='quiet' onClick={() => onReload()}>Reload</button>}
    </li>
  )
}

export function Time ({ timestamp }: { timestamp: number }): ReactNode {
  return <time dateTime={new Date(timestamp).toISOString()}>{timeOf(timestamp)}</time>
}

interface MessageRowProps extends Omit<Line, 'gap' | 'userId'> {
  readonly author: string
  readonly mine: boolean
  /** Goes on where the row above ended: the same author, soon after. */
  readonly follows: boolean
  onRetry (id: string): void
  onDiscard (id: string): void
}

/** Made again only when something about it changed, which of a long list is little. */
export const MessageRow = memo(function MessageRow (
  { id, author, text, timestamp, state, problem, mine, follows, onRetry, onDiscard }: MessageRowProps
): ReactNode {
  return (
    <li className={`message${mine ? ' mine' : ''}${follows ? ' follows' : ''}`} data-message='' data-state={state}>
      <Avatar name={author} />
      <div className='body'>
        <p className='meta'><strong data-author=''>{author}</strong> <Time timestamp={timestamp} /></p>
        <p className='text' data-text=''>{text}</p>
        {state === 'pending' && <span className='waiting'><Icon name='clock' /><span className='hidden'>Waiting to be sent</span></span>}
        {state === 'failed' && (
          <p className='failure'>
            <span role='alert'>Not sent: {problem}</span>
            <button className='quiet' onClick={() => onRetry(id)}>Retry</button>
            <button className='quiet' onClick={() => onDiscard(id)}>Discard</button>
          </p>
        )}
      </div>
    </li>
  )
})
