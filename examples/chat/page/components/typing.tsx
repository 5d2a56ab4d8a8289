import type { ReactNode } from 'react'

/** Always as high as its one line, so that nothing moves when somebody types. */
export function Typing ({ names }: { names: readonly string[] }): ReactNode {
  return <p className={names.length > 0 ? 'typing on' : 'typing'} data-typing='' aria-live='polite'>{sentence(names)}</p>
}

function sentence (names: readonly string[]): string {
  const [first, second, third] = names
  if (first === undefined) return ''
  if (second === undefined) return `${first} is typing`
  if (third === undefined) return `${first} and ${second} are typing`
  return names.length === 3 ? `${first}, ${second} and ${third} are typing` : 'Several people are typing'
}
