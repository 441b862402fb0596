/** Files that the log knows as done, without the time that doing them takes. */
import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import type postgres from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import { foldUsage } from '../../../src/database/usage.ts'
import { take } from '../../../src/process/take.ts'
import { processOwner } from '../../../src/system/owner.ts'
import { newImage, processImage } from '../database/work.ts'

/**
 * Completes a job for each file by the program's own claims and completions, which make the same rows as a run does;
 * only its objects are in no store.
 *
 * @param sql of a log with one completed job or more: files become done with the same parameters, for the same user
 * @param files absolute paths
 */
export async function fillFinished(sql: postgres.Sql, files: readonly string[]): Promise<void> {
  const [sample] = await sql<{ userId: string; fingerprint: string; params: Record<string, unknown> }[]>`
    select user_id as "userId", encode(fingerprint, 'hex') as fingerprint, params
    from image_process_jobs where status = 'completed' limit 1`
  if (!sample) throw new Error('No job of this log is completed.')
  const run = { id: uuidv7(), owner: processOwner(), leaseMs: 3_600_000 }
  const options = { concurrency: 16, signal: new AbortController().signal }
  await take(files, options, async (path) => {
    const { size, mtimeNs } = await stat(path, { bigint: true })
    const image = {
      ...newImage(0, run, sample.userId),
      ...{ source: { path, size: Number(size), mtimeNs }, contentSha256: randomBytes(32).toString('hex') },
      ...{ fingerprint: sample.fingerprint, params: sample.params },
    }
    await processImage(sql, image)
  })
  await foldUsage(sql)
}
