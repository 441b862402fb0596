import type { Database } from '../database/contract.ts'
import { neededOriginals } from '../database/shared-originals.ts'
import { keyParts } from '../store/keys.ts'

/**
 * Those of these keys whose object another job needs than the one under whose id it is, or that job itself: originals
 * are shared, so none is removed without asking. See `neededOriginals` for when the answer may be relied on.
 */
export function neededKeys(sql: Database['sql'], keys: readonly string[]): Promise<Set<string>> {
  const originals = keys.flatMap((key) => {
    const parts = keyParts(key)
    return parts?.kind === 'original' ? [{ key, jobId: parts.jobId }] : []
  })
  return neededOriginals(sql, originals)
}
