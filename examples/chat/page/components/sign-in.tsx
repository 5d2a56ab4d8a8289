import { useState } from 'react'
import type { FormEvent, ReactNode } from 'react'
import { lastName, signIn } from '../session.js'
import { Logo } from './icons.js'

export function SignIn ({ onEnter }: { onEnter: (name: string) => void }): ReactNode {
  const [name, setName] = useState(lastName)
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)

  async function submit (event: FormEvent): Promise<void> {
    event.preventDefault()
    if (busy) return
    setBusy(true)
    setProblem('')
    try {
      await signIn(name.trim())
      onEnter(name.trim())
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error))
      setBusy(false)
    }
  }

  return (
    <main className='sign-in'>
      <form className='card' onSubmit={submit}>
        <Logo size={48} />
        <h1>Come on in</h1>
        <p>Any name will do. Open a second window and take another one to see both sides live.</p>
        <label htmlFor='name'>Your name</label>
        <input
          id='name' type='text' required maxLength={24} autoFocus autoComplete='nickname' autoCapitalize='none' spellCheck={false}
          aria-describedby='sign-in-problem' aria-invalid={problem !== ''} value={name} onChange={({ target }) => setName(target.value)}
        />
        <p id='sign-in-problem' className='error' role='alert'>{problem}</p>
        <button className='primary'>Enter</button>
      </form>
    </main>
  )
}
