import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { JobFilter } from '../database/filters.ts'
import type { JobPosition } from '../database/query.ts'
import { RmbgError } from '../errors.ts'

const cursorSchema = z.object({
  filter: z.string(),
  createdAt: z.string().regex(/^\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
  jobId: z.guid(), // whatever a column of uuid holds
  rank: z
    .string()
    .regex(/^[01]\.\d{4}$/)
    .optional(),
})
type Cursor = z.infer<typeof cursorSchema>

const checkOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 16)

const filterCheck = (filter: JobFilter): string =>
  checkOf(Object.entries(filter).sort(([a], [b]) => (a < b ? -1 : 1)))

function encode({ filter, createdAt, jobId, rank }: Cursor): string {
  const place = rank === undefined ? [createdAt, jobId] : [createdAt, jobId, rank]
  const cursor = { filter, createdAt, jobId, rank, check: checkOf([filter, ...place]) }
  return Buffer.from(JSON.stringify(cursor)).toString('base64url')
}

/** A place in the log as an opaque text, good for the same filter only. */
export const encodeCursor = (filter: JobFilter, { createdAt, jobId, rank }: JobPosition): string =>
  encode({ filter: filterCheck(filter), createdAt, jobId, rank })

/** @throws RmbgError USAGE when the cursor is damaged or belongs to another filter */
export function decodeCursor(filter: JobFilter, cursor: string): JobPosition {
  let given: unknown
  try {
    given = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    given = undefined
  }
  const parsed = cursorSchema.safeParse(given)
  // Encoded again it must be the same: one changed digit would skip jobs silently.
  if (!parsed.success || encode(parsed.data) !== cursor) {
    throw new RmbgError('USAGE', 'The cursor is not one that rmbg query gave.', {
      hint: 'Copy it whole, or leave it out to start with the newest job.',
    })
  }
  if (parsed.data.filter !== filterCheck(filter)) {
    throw new RmbgError('USAGE', 'The cursor belongs to a query with other filters.', {
      hint: 'Repeat the filters of the page before, or leave the cursor out.',
    })
  }
  const { createdAt, jobId, rank } = parsed.data
  return { createdAt, jobId, ...(rank !== undefined && { rank }) }
}
