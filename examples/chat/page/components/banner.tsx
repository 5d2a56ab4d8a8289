import { useEffect, useState } from 'react'
import type { ReactNode } from 'react'
import { counted } from '../format.js'
import { useClient, useConnection } from '../realtime.js'

/** Says that there is no connection, since when it is tried again and what waits for it; nothing while there is one. */
export function Banner ({ waiting }: { waiting: number }): ReactNode {
  const client = useClient()
  const { state, attempt, code, retryAt } = useConnection()
  const down = state === 'waiting' || state === 'closed' || (state === 'connecting' && attempt > 0)
  const now = useNow(down)
  const queued = client.pending().length + waiting

  return (
    <div className={down ? 'banner on' : 'banner'}>
      <div role='status' aria-label='Connection'>
        {down && (state === 'closed' ? `The connection ended${code === undefined ? '' : ` (${code})`}. ` : 'Connection lost. ')}
        {down && queued > 0 && <span>{counted(queued, 'message')} waiting. </span>}
        {/* Read out every second it would be all that is heard. */}
        {down && state !== 'closed' && <span className='countdown' aria-hidden='true'>{countdown(retryAt, now)}</span>}
      </div>
      {state === 'closed' && <button onClick={() => { client.connect().catch(() => {}) }}>Connect again</button>}
    </div>
  )
}

function countdown (retryAt: number | undefined, now: number): string {
  return retryAt === undefined ? 'Trying now…' : `Next try in ${Math.max(1, Math.ceil((retryAt - now) / 1000))} s`
}

/** The time, for as long as somebody looks at it; epoch ms. */
function useNow (running: boolean): number {
  const [now, setNow] = useState(Date.now)

  useEffect(() => {
    if (!running) return
    const tick = (): void => setNow(Date.now())
    tick()
    const timer = setInterval(tick, 500)
    return () => clearInterval(timer)
  }, [running])

  return now
}
