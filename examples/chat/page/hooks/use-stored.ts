import { useEffect, useState } from 'react'
import type { Dispatch, SetStateAction } from 'react'

/** State that survives a reload. What is stored has to be JSON, and of this page's own making. */
export function useStored<Value> (storage: Storage, name: string, initial: Value): [Value, Dispatch<SetStateAction<Value>>] {
  const [value, setValue] = useState<Value>(() => JSON.parse(storage.getItem(name) ?? 'null') ?? initial)

  useEffect(() => {
    try {
      storage.setItem(name, JSON.stringify(value))
    } catch {
      // The browser keeps nothing, or no more: then it lasts as long as the page.
    }
  }, [storage, name, value])

  return [value, setValue]
}
