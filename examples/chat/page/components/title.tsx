import { createContext, useContext } from 'react'
import type { ReactNode } from 'react'

/** Buttons of the page that stand at the title's side, whichever conversation is open. */
export interface TitleTools {
  readonly before: ReactNode
  readonly behind: ReactNode
}

export const TitleToolsContext = createContext<TitleTools>({ before: null, behind: null })

interface TitleProps {
  readonly subtitle: string
  readonly leave?: (() => void) | undefined
  readonly children: ReactNode
}

/** What conversation this is. */
export function Title ({ subtitle, leave, children }: TitleProps): ReactNode {
  const { before, behind } = useContext(TitleToolsContext)
  return (
    <header className='title-bar'>
      {before}
      <div className='title'>
        <h1>{children}</h1>
        <p>{subtitle}</p>
      </div>
      {leave !== undefined && <button className='quiet' onClick={leave}>Leave</button>}
      {behind}
    </header>
  )
}
