import { RmbgError } from '../errors.ts'

/** `warn`: it works, and could be better. `crit`: a run would fail. */
export type FindingLevel = 'ok' | 'warn' | 'crit'

/** One thing that was looked at. */
export interface Finding {
  name: string
  level: FindingLevel
  /** A sentence. */
  summary: string
  /** What to do about it, in a sentence; absent when it is well. */
  remedy?: string
}

export const ok = (name: string, summary: string): Finding => ({ name, level: 'ok', summary })

/** A finding about an error that would end a run. */
export function failed(name: string, error: unknown): Finding {
  const known = error instanceof RmbgError ? error : undefined
  const summary = error instanceof Error ? error.message : String(error)
  const remedy = known?.hint ?? 'This is unexpected. Set DEBUG=* and run the command that fails.'
  return { name, level: 'crit', summary, remedy }
}
