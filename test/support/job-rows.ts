import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import pLimit from 'p-limit'
import type postgres from 'postgres'
import { expect } from 'vitest'
import type { ObjectStore } from '../../src/store/contract.ts'

export interface JobRow {
  job_id: string
  status: string
  user_id: string
  source_path: string
  original_path: string
  mask_path: string | null
  processed_path: string | null
  image_width: number | null
  image_height: number | null
  file_size_kb: number | null
  processing_time_ms: number | null
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever was stored
  params: Record<string, any>
  kept: string[]
  error_code: string | null
  error_message: string | null
  execution_provider: string | null
  // biome-ignore lint/suspicious/noExplicitAny: as above
  review: Record<string, any> | null
  needs_review: boolean | null
  attempt: number
  content_sha256: string | null
  mask_sha256: string | null
  processed_sha256: string | null
}

export async function jobRows(sql: postgres.Sql): Promise<JobRow[]> {
  return await sql<JobRow[]>`
    select job_id, status, user_id, source_path, original_path, mask_path, processed_path, image_width, image_height,
      file_size_kb, processing_time_ms, params, error_code, error_message, execution_provider, review, needs_review, attempt,
      encode(content_sha256, 'hex') as content_sha256, encode(mask_sha256, 'hex') as mask_sha256,
      encode(processed_sha256, 'hex') as processed_sha256, to_json(kept) as kept
    from all_jobs order by source_path, job_id`
}

/** Images whose objects are read at once. */
const limit = pLimit(8)

/**
 * The promise of the whole product: every completed row has the objects that it keeps, with the very bytes the row
 * speaks of; no object is without a row or a tombstone; nothing is done twice.
 *
 * @param isRead of which completed rows the objects are read, and not only listed
 */
export async function expectInvariants(
  sql: postgres.Sql,
  store: ObjectStore,
  isRead: (row: JobRow) => boolean = () => true,
): Promise<JobRow[]> {
  const rows = await jobRows(sql)
  const known = new Set<string>()
  const done = new Set<string>()
  for (const row of rows) {
    for (const key of keysOf(row)) known.add(key)
    // What an attempt has stored that has not ended yet is known by the id of its job.
    known.add(row.job_id)
    if (!isCompleted(row)) continue
    const work = `${row.content_sha256} ${JSON.stringify(row.params)}`
    expect(done.has(work), `${row.source_path} was done twice`).toBe(false)
    done.add(work)
  }
  await limit.map(rows.filter(isCompleted).filter(isRead), async (row) => {
    const objects = [
      ['original', row.original_path, row.content_sha256],
      ['mask', row.mask_path!, row.mask_sha256],
      ['processed', row.processed_path!, row.processed_sha256],
    ] as const
    for (const [kind, key, sha256] of objects) {
      if (row.kept.includes(kind)) expect(await digest(store, key), row.source_path).toBe(sha256)
    }
  })
  for (const { job_id } of await sql`select job_id from tombstones`) known.add(job_id)
  for (const kind of ['original/', 'mask/', 'processed/']) {
    for await (const { key } of store.list(kind)) {
      const name = key.slice(key.lastIndexOf('/') + 1)
      const jobId = name.slice(0, '00000000-0000-0000-0000-000000000000'.length)
      expect(known.has(key) || known.has(jobId), `${key} has no row`).toBe(true)
    }
  }
  return rows
}

const keysOf = ({ kept, original_path, mask_path, processed_path }: JobRow): string[] =>
  [kept.includes('original') ? original_path : null, mask_path, processed_path].filter((key) => key !== null)

const isCompleted = ({ status }: JobRow): boolean => status === 'completed'

async function digest(store: ObjectStore, key: string): Promise<string> {
  return createHash('sha256')
    .update(await buffer(await store.get(key)))
    .digest('hex')
}
