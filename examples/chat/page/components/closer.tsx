import type { ReactNode } from 'react'
import { Icon } from './icons.js'

/** The way out of a panel, where it slides in. */
export function Closer ({ label, onClose }: { label: string, onClose: () => void }): ReactNode {
  return <button className='icon closer' aria-label={label} title={label} onClick={onClose}><Icon name='close' /></button>
}
