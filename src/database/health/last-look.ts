/** What was counted at the last look: counters of a year hide what went wrong today. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { writeAtomically } from '../../system/files.ts'
import { sha256Of } from '../../system/sha256.ts'

const countsSchema = z.object({
  /** ISO 8601, UTC, by the clock of the database. */
  at: z.string(),
  /** Blocks found in shared_buffers. */
  hit: z.number(),
  /** Blocks asked of the system. */
  read: z.number(),
  /** When the server's counters began. */
  since: z.string().nullable(),
})
export type Counts = z.infer<typeof countsSchema>

export interface BlockCounts {
  /** Undefined where nobody has looked, or what was kept cannot be read. */
  last(): Promise<Counts | undefined>
  /** A folder that cannot be written is no failure: the next look then tells less. */
  keep(counts: Counts): Promise<void>
}

/**
 * Keeps counts in a small file for each database.
 *
 * @param folder is made when it is missing
 * @param database what tells it from all others
 */
export function blockCountsIn(folder: string, database: string): BlockCounts {
  const path = join(folder, `${sha256Of(database).slice(0, 16)}.json`)
  return {
    last: async () => {
      try {
        return countsSchema.parse(JSON.parse(await readFile(path, 'utf8')))
      } catch {
        return undefined
      }
    },
    keep: async (counts) => {
      await writeAtomically(path, Buffer.from(`${JSON.stringify(counts)}\n`)).catch(() => {})
    },
  }
}

/**
 * What was counted since the last look.
 *
 * @returns undefined when the counters began anew since
 */
export function sinceLast(
  now: Counts,
  last: Counts | undefined,
): { hit: number; all: number; seconds: number } | undefined {
  if (!last || last.since !== now.since) return undefined
  const [hit, read] = [now.hit - last.hit, now.read - last.read]
  if (hit < 0 || read < 0) return undefined
  return { hit, all: hit + read, seconds: (Date.parse(now.at) - Date.parse(last.at)) / 1000 }
}
