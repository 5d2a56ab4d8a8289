import type { ReactNode } from 'react'
import { GENERAL } from '../conversations.js'
import type { Directs } from '../hooks/use-directs.js'
import { usePresence } from '../realtime.js'
import { Composer } from './composer.js'
import { MessageLog } from './message-log.js'
import { Title } from './title.js'
import { Typing } from './typing.js'

/** What two people say to each other. */
export function Direct ({ me, person, directs }: { me: string, person: string, directs: Directs }): ReactNode {
  const { lines, broken, send, retry, discard } = directs
  const status = usePresence(GENERAL).members.find(({ userId }) => userId === person)?.status
  return (
    <>
      <Title subtitle={status === undefined ? 'Not here now; messages wait in the inbox' : status}>{person}</Title>
      <MessageLog
        me={me} lines={lines.get(person) ?? []} gapAtEnd={broken.has(person)} onRetry={retry} onDiscard={discard}
        onReload={() => location.reload()}
        empty={`Only you and ${person} can read this. It waits in the inbox of whoever is away.`}
      />
      <Typing names={[]} />
      <Composer to={`@${person}`} placeholder={`Message ${person}`} onSend={(text) => send(person, text)} />
    </>
  )
}
