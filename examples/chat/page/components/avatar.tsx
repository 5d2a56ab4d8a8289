import type { ReactNode } from 'react'

declare module 'react' {
  interface CSSProperties { '--hue'?: number }
}

/** Initials on a colour that is always the same for a name; `null` is the server. */
export function Avatar ({ name, status }: { name: string | null, status?: string | undefined }): ReactNode {
  if (name === null) return <span className='avatar server' aria-hidden='true'>API</span>
  return <span className='avatar' data-status={status} style={{ '--hue': hueOf(name) }} aria-hidden='true'>{initialsOf(name)}</span>
}

function initialsOf (name: string): string {
  const [first = '', second] = name.split(/[ ._-]+/).map((word) => [...word])
  return (second === undefined ? [...first].slice(0, 2).join('') : `${first[0]}${second[0]}`).toUpperCase()
}

function hueOf (name: string): number {
  return [...name].reduce((hue, letter) => (hue * 31 + (letter.codePointAt(0) ?? 0)) % 360, 7)
}
