import { useEffect, useRef } from 'react'
import type { ReactNode } from 'react'
import type { Toast } from '../hooks/use-toasts.js'
import { Avatar } from './avatar.js'

/** How long one is shown, and how long again while somebody points at it, in ms. */
const SHOWN = 7_000
const AGAIN = 2_000

interface ToastsProps {
  readonly toasts: readonly Toast[]
  onChoose (toast: Toast): void
  onExpire (toast: Toast): void
}

export function ToastList ({ toasts, onChoose, onExpire }: ToastsProps): ReactNode {
  return (
    <div className='toasts' role='status' aria-label='News'>
      {toasts.map((toast) => <ToastItem key={toast.id} toast={toast} onChoose={onChoose} onExpire={onExpire} />)}
    </div>
  )
}

function ToastItem ({ toast, onChoose, onExpire }: Omit<ToastsProps, 'toasts'> & { toast: Toast }): ReactNode {
  const button = useRef<HTMLButtonElement>(null)

  useEffect(() => {
    let timer = setTimeout(leave, SHOWN)
    function leave (): void {
      if (button.current?.matches(':hover, :focus-visible')) timer = setTimeout(leave, AGAIN)
      else onExpire(toast)
    }
    return () => clearTimeout(timer)
  }, [toast, onExpire])

  return (
    <button ref={button} className='toast' onClick={() => onChoose(toast)}>
      <Avatar name={toast.from} />
      <span><strong>{toast.title}</strong><span className='text'>{toast.text}</span></span>
    </button>
  )
}
