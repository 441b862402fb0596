import { createHash, randomBytes } from 'node:crypto'
import type postgres from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import { tagJobs } from '../../src/database/tags.ts'
import { type ObjectKind, type ObjectStore, objectKinds } from '../../src/store/contract.ts'
import { jobPrefix, objectKey } from '../../src/store/keys.ts'

export interface MadeJob {
  status?: 'pending' | 'processing' | 'completed' | 'failed'
  /** How long the lease of a job in work lasts, as an interval; it has ended unless this is said. */
  leasedFor?: string
  user?: string
  ageDays?: number
  tags?: string[]
  attempt?: number
  /** What a completed job keeps; all three unless it is said. */
  kept?: readonly ObjectKind[]
  /** Keys as they were before attempts had keys of their own. */
  hasOldKeys?: boolean
  /** The job whose original it shares, as a later job of the same user and content does. */
  sharesWith?: string
  /** Also make the objects, of a few bytes; only completed and failed jobs have any. */
  store?: ObjectStore
}

const day = 86_400_000

/** A row as a run leaves it, of any age, with objects that are what it says. */
export async function makeJob(sql: postgres.Sql, made: MadeJob = {}): Promise<string> {
  const { status = 'completed', user = 'anna', ageDays = 0, tags = [], attempt = 1, store } = made
  const kept = made.kept ?? objectKinds
  const createdAt = new Date(Date.now() - ageDays * day - 60_000)
  const jobId = uuidv7({ msecs: createdAt.getTime() })
  const objects = Object.fromEntries(
    (['original', 'mask', 'processed'] as const).map((kind) => {
      const body = Buffer.from(`${kind} ${jobId} ${randomBytes(50).toString('hex')}`)
      const sha256 = createHash('sha256').update(body).digest('hex')
      const extension = kind === 'original' ? 'jpg' : 'png'
      const key = made.hasOldKeys
        ? `${jobPrefix(kind, jobId)}.${extension}`
        : objectKey(kind, jobId, attempt, extension)
      return [kind, { key, body, sha256 }]
    }),
  ) as Record<'original' | 'mask' | 'processed', { key: string; body: Buffer; sha256: string }>
  const { original, mask, processed } = objects
  const isCompleted = status === 'completed'
  const isOpen = status === 'pending' || status === 'processing'
  if (isOpen && (await hasOpenJobs(sql))) {
    await makeOpenJob(sql, {
      ...{ job_id: jobId, user_id: user, original_path: original.key, attempt, created_at: createdAt },
      ...{ image_width: 10, image_height: 10, file_size_kb: 1 },
      params: sql.json({ model: { name: 'silhouette' } }),
      ...{ source_path: `/photos/${jobId}.jpg`, source_size: original.body.length, source_mtime_ns: 1 },
      content_sha256: Buffer.from(original.sha256, 'hex'),
      fingerprint: Buffer.alloc(32, 1),
      ...(status === 'processing' && { leasedFor: made.leasedFor ?? '-1 minute' }),
    })
    await tagJobs(sql, [jobId], tags)
    return jobId
  }
  const shared = made.sharesWith === undefined ? undefined : await originalOf(sql, made.sharesWith)
  await sql`
    insert into image_process_jobs ${sql({
      job_id: jobId,
      user_id: user,
      original_path: original.key,
      mask_path: isCompleted && kept.includes('mask') ? mask.key : null,
      processed_path: isCompleted && kept.includes('processed') ? processed.key : null,
      // Left out where all is kept: tests also make jobs of releases that had no such column.
      ...(made.kept && { kept: `{${kept.join(',')}}` }),
      status,
      attempt,
      created_at: createdAt,
      completed_at: isCompleted ? new Date(createdAt.getTime() + 500) : null,
      processing_time_ms: isCompleted ? 500 : null,
      image_width: 10,
      image_height: 10,
      file_size_kb: 1,
      params: sql.json({ model: { name: 'silhouette' } }),
      error_message: status === 'failed' ? 'It was not a picture.' : null,
      error_code: status === 'failed' ? 'INPUT_CORRUPT' : null,
      source_path: `/photos/${jobId}.jpg`,
      source_size: original.body.length,
      source_mtime_ns: 1,
      content_sha256: Buffer.from(original.sha256, 'hex'),
      fingerprint: Buffer.alloc(32, 1),
      original_bytes: isCompleted ? original.body.length : null,
      ...(shared && { ...shared, original_shared: true }),
      mask_bytes: isCompleted ? mask.body.length : null,
      processed_bytes: isCompleted ? processed.body.length : null,
      mask_sha256: isCompleted ? Buffer.from(mask.sha256, 'hex') : null,
      processed_sha256: isCompleted ? Buffer.from(processed.sha256, 'hex') : null,
    })}`
  await tagJobs(sql, [jobId], tags)
  const own = kept.filter((kind) => !(shared && kind === 'original'))
  const stored = isCompleted ? own.map((kind) => objects[kind]) : status === 'failed' ? [original] : []
  if (store) {
    for (const { key, body, sha256 } of stored) {
      await store.put(key, body, { contentType: 'application/octet-stream', sha256 })
    }
  }
  return jobId
}

/** Releases before the table had all jobs in the log. */
async function hasOpenJobs(sql: postgres.Sql): Promise<boolean> {
  const [row] = await sql`select to_regclass('open_jobs') is not null as has`
  return row!.has
}

/**
 * A job that has not ended.
 *
 * @param columns with `leasedFor` somebody has it, for as long as this interval says
 */
export async function makeOpenJob(sql: postgres.Sql, columns: Record<string, unknown> = {}): Promise<string> {
  const { leasedFor, ...rest } = columns
  const row = { job_id: uuidv7(), user_id: 'anna', original_path: 'original/o.jpg', ...rest }
  await sql`insert into open_jobs ${sql(row)}`
  await sql`update open_jobs set work = work_key(content_sha256, fingerprint) where job_id = ${row.job_id}`
  if (leasedFor !== undefined) {
    await sql`
      update open_jobs set run_id = ${uuidv7()}, claim_id = ${uuidv7()}, owner = 'somebody',
        lease_until = now() + ${leasedFor as string}::text::interval
      where job_id = ${row.job_id}`
  }
  return row.job_id
}

async function originalOf(sql: postgres.Sql, jobId: string) {
  const [row] = await sql<{ original_path: string; content_sha256: Buffer; original_bytes: string }[]>`
    select original_path, content_sha256, original_bytes from image_process_jobs where job_id = ${jobId}`
  return row!
}
