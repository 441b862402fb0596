import type { Database } from '../database/contract.ts'
import { neededOriginals } from '../database/shared-originals.ts'
import { originalsAmong } from '../store/keys.ts'

/**
 * Those of these keys whose object another job needs than the one under whose id it is, or that job itself: originals
 * are shared, so none is removed without asking. See `neededOriginals` for when the answer may be relied on.
 */
export const neededKeys = (sql: Database['sql'], keys: readonly string[]): Promise<Set<string>> =>
  neededOriginals(sql, originalsAmong(keys))
