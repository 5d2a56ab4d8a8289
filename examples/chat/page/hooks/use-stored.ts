import { useEffect, useState } from 'react'
import type { Dispatch, SetStateAction } from 'react'

/** State that survives a reload. What is stored has to be JSON, and of this page's own making. */
export function useStored<Value> (storage: Storage, name: string, initial: Value): [Value, Dispatch<SetStateAction<Value>>] {
  const [value, setValue] = useState<Value>(() => JSON.parse(storage.getItem(name) ?? 'null') ?? initial)

  useEffect(() => {
    storage.setItem(name, JSON.stringify(value))
  }, [storage, name, value])

  return [value, setValue]
}
