/** Keys that do something wherever the focus is, except in fields that take text. */
import { useEffect, useRef } from 'preact/hooks'

export type Keys = Record<string, (event: KeyboardEvent) => void>

/** Letters in lower case, other keys by their names. */
export function useKeys(keys: Keys): void {
  const current = useRef(keys)
  current.current = keys
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
      if (takesKey(event) || document.querySelector('dialog[open]')) return
      const name = event.key.length === 1 ? event.key.toLowerCase() : event.key
      const action = current.current[name]
      if (!action) return
      event.preventDefault()
      action(event)
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [])
}

/** Whether the field that has the focus does something with the key itself. */
function takesKey({ target, key }: KeyboardEvent): boolean {
  if (target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return key !== 'Escape'
  if (!(target instanceof HTMLInputElement)) return false
  const isForKeys = ['radio', 'range', 'checkbox', 'color', 'file'].includes(target.type)
  if (!isForKeys) return key !== 'Escape'
  return /^Arrow|^Home$|^End$|^Page/.test(key)
}
