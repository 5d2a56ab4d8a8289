import { useState } from 'react'
import type { ReactNode } from 'react'
import { RealtimeProvider } from 'fastify-realtime/react'
import { optionsFor } from '../realtime.js'
import { remember, signedInAs, signOut } from '../session.js'
import { Chat } from './chat.js'
import { SignIn } from './sign-in.js'

/** Somebody who is signed in, or the way to become that. */
export function App (): ReactNode {
  const [name, setName] = useState(signedInAs)

  function enter (name: string): void {
    remember(name)
    setName(name)
  }

  function leave (): void {
    signOut()
    setName(null)
  }

  if (name === null) return <SignIn onEnter={enter} />
  return <Connected key={name} me={name} onSignOut={leave} />
}

function Connected ({ me, onSignOut }: { me: string, onSignOut: () => void }): ReactNode {
  const [options] = useState(() => optionsFor(me))
  return (
    <RealtimeProvider options={options}>
      <Chat me={me} onSignOut={onSignOut} />
    </RealtimeProvider>
  )
}
