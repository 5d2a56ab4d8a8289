import { useState } from 'react'
import type { FormEvent, ReactNode } from 'react'
import { ORDERS } from '../conversations.js'
import { useGapAtEnd } from '../hooks/use-gap-at-end.js'
import { useRoom } from '../realtime.js'
import { Avatar } from './avatar.js'
import { Log } from './log.js'
import { GapRow, Time } from './rows.js'
import { Title } from './title.js'

/** A feed that only the server writes. */
export function Orders ({ me }: { me: string }): ReactNode {
  const room = useRoom(ORDERS)
  const { messages, hasOlder, loadingOlder, loadOlder } = room
  const gapAtEnd = useGapAtEnd(room)

  const rows: ReactNode[] = []
  for (const { id, userId, content: order, timestamp, gap } of messages) {
    if (gap !== undefined) rows.push(<GapRow key={`gap ${id}`} />)
    rows.push(
      <li key={id} className='order' data-order=''>
        <Avatar name={userId} />
        <p><strong>{order.item}</strong>{order.user !== undefined && <span className='for'> for {order.user}</span>}</p>
        <p className='note'><span className='id'>{order.id}</span> <Time timestamp={timestamp} /></p>
      </li>
    )
  }
  if (gapAtEnd) rows.push(<GapRow key='gap at end' />)

  return (
    <>
      <Title subtitle='From POST /orders'>Live orders</Title>
      <Log
        last={messages.at(-1)?.id} own={false} older={hasOlder ? { loading: loadingOlder, load: loadOlder } : undefined}
        empty='No orders yet. The first one shows up here the moment it is placed.'
      >
        {rows}
      </Log>
      <OrderForm me={me} />
    </>
  )
}

function OrderForm ({ me }: { me: string }): ReactNode {
  const [item, setItem] = useState('Flat white')
  const [problem, setProblem] = useState('')
  const [copied, setCopied] = useState(false)
  const example = JSON.stringify({ item: 'Espresso', user: me })
  const command = `curl -X POST ${location.origin}/orders -H 'content-type: application/json' -d '${example}'`

  async function order (event: FormEvent): Promise<void> {
    event.preventDefault()
    const response = await fetch('/orders', {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ item: item.trim(), user: me })
    }).catch(() => undefined)
    setProblem(response?.ok === true ? '' : 'The server did not take this order. Try again in a moment.')
  }

  async function copy (): Promise<void> {
    await navigator.clipboard.writeText(command)
    setCopied(true)
  }

  return (
    <form className='order-form' onSubmit={order}>
      <p>Only the server writes here, by notifyRoom. Any HTTP client makes it do so:</p>
      <div className='command'>
        <code>{command}</code>
        <button type='button' className='quiet' onClick={copy}>
          {copied ? 'Copied' : 'Copy'}
        </button>
      </div>
      <div className='row'>
        <label className='hidden' htmlFor='item'>Item</label>
        <input
          id='item' type='text' required maxLength={80} autoComplete='off' value={item} onChange={({ target }) => setItem(target.value)}
        />
        <button className='primary'>Order it from here</button>
      </div>
      <p className='error' role='alert'>{problem}</p>
    </form>
  )
}
