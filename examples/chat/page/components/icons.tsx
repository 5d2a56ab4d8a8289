import type { ReactNode } from 'react'

const PATHS = {
  menu: 'M3.5 6h13M3.5 10h13M3.5 14h13',
  people: [
    'M8 9.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6ZM3 16c0-2.8 2.2-4.5 5-4.5s5 1.7 5 4.5',
    'M13 4.5a2.6 2.6 0 0 1 0 5M14.5 11.8c1.6.6 2.5 2.1 2.5 4.2'
  ].join(''),
  bell: 'M10 3a4.5 4.5 0 0 0-4.5 4.5c0 4-1.5 5-1.5 6h12c0-1-1.5-2-1.5-6A4.5 4.5 0 0 0 10 3ZM8.5 16a1.6 1.6 0 0 0 3 0',
  plus: 'M10 4v12M4 10h12',
  close: 'M5 5l10 10M15 5 5 15',
  send: 'M10 16V4.5M5 9l5-5 5 5',
  clock: 'M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM10 6.5V10l2.3 1.8',
  signOut: 'M8 4H5a1 1 0 0 0-1 1v10a1 1 0 0 0 1 1h3M12 6.5 15.5 10 12 13.5M15 10H8'
}

/** What a button says to eyes; to everybody else its label does. */
export function Icon ({ name }: { name: keyof typeof PATHS }): ReactNode {
  return <svg className='drawn' viewBox='0 0 20 20' aria-hidden='true'><path d={PATHS[name]} /></svg>
}

export function Logo ({ size }: { size: number }): ReactNode {
  return (
    <svg viewBox='0 0 32 32' width={size} height={size} aria-hidden='true'>
      <rect width='32' height='32' rx='9' fill='#3d5afe' />
      <path
        fill='#fff'
        d='M9 11.5A3.5 3.5 0 0 1 12.5 8h7A3.5 3.5 0 0 1 23 11.5v5a3.5 3.5 0 0 1-3.5 3.5H15l-4.2 3.6c-.5.4-1.3.1-1.3-.6V19.2A3.5 3.5 0 0 1 9 16.5z'
      />
    </svg>
  )
}
