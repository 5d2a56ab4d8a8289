import { useEffect, useRef } from 'react'
import type { FormEvent, KeyboardEvent, ReactNode } from 'react'
import type { ConversationKey } from '../conversations.js'
import { useStored } from '../hooks/use-stored.js'
import { Icon } from './icons.js'

interface ComposerProps {
  readonly to: ConversationKey
  readonly placeholder: string
  onSend (text: string): unknown
  onTyping? (typing: boolean): void
}

/** Where people write; what is not sent yet is still there when they come back. */
export function Composer ({ to, placeholder, onSend, onTyping }: ComposerProps): ReactNode {
  const [text, setText] = useStored(sessionStorage, `chat:draft:${to}`, '')
  const field = useRef<HTMLTextAreaElement>(null)

  // On a touch screen that would open the keyboard over what there is to read.
  useEffect(() => {
    if (matchMedia('(hover: hover)').matches) field.current?.focus()
  }, [])

  function write (text: string): void {
    setText(text)
    onTyping?.(text.trim() !== '')
  }

  function submit (event: FormEvent): void {
    event.preventDefault()
    if (text.trim() === '') return
    onSend(text.trim())
    setText('')
    field.current?.focus()
  }

  function onKeyDown (event: KeyboardEvent<HTMLTextAreaElement>): void {
    // Whoever composes a character ends that with Enter, not the message.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    event.currentTarget.form?.requestSubmit()
  }

  return (
    <form className='composer' onSubmit={submit}>
      <label className='hidden' htmlFor='text'>Message</label>
      <textarea
        id='text' ref={field} rows={1} enterKeyHint='send' placeholder={placeholder} value={text}
        onChange={({ target }) => write(target.value)} onKeyDown={onKeyDown}
      />
      <button className='primary' aria-label='Send'><Icon name='send' /></button>
    </form>
  )
}
