import { v7 as uuidv7 } from 'uuid'
import { expect, it } from 'vitest'
import { claimJob } from '../../src/database/jobs.ts'
import { dueTombstones, type PrunePolicy, retireJobs } from '../../src/database/tombstones.ts'
import { objectKey } from '../../src/store/keys.ts'
import { makeJob } from '../support/jobs.ts'
import { onBothDatabases } from './databases.ts'

const policy: PrunePolicy = {
  olderThan: { completed: '1 day', failed: '1 day', abandoned: '1 day' },
  keepLast: undefined,
  filter: {},
}
const before = () => new Date(Date.now() - 86_400_000).toISOString()

onBothDatabases('a job that is pruned while somebody takes it up again', (database) => {
  it('is either gone for good or kept, and its objects are never deleted under the one who works on it', async () => {
    const { sql } = database()
    for (let round = 0; round < 60; round++) {
      const status = (['pending', 'processing', 'failed'] as const)[round % 3]!
      const jobId = await makeJob(sql, { status, ageDays: 30 })
      const [row] = await sql`
        select source_path, encode(content_sha256, 'hex') as content, encode(fingerprint, 'hex') as fingerprint
        from all_jobs where job_id = ${jobId}`
      const claim = claimJob(sql, {
        jobId: uuidv7(),
        source: { path: row!.source_path, size: 1, mtimeNs: 1n },
        contentSha256: row!.content,
        fingerprint: row!.fingerprint,
        params: {},
        keep: [],
        userId: 'anna',
        originalPath: (id, attempt) => objectKey('original', id, attempt, 'jpg'),
        ...{ imageWidth: 1, imageHeight: 1, fileSizeKb: 1, tags: [], force: false },
        run: { id: uuidv7(), owner: 'test', leaseMs: 60_000 },
      })
      const kind = status === 'failed' ? 'failed' : 'abandoned'
      const retired = retireJobs(sql, policy, {
        ...{ kind, before: before(), jobIds: [jobId], kept: false },
      })
      const [claimed] = await Promise.all([claim, retired])
      const dead = (await dueTombstones(sql, 1000)).map((tombstone) => tombstone.jobId)
      expect(claimed.state).toBe('claimed')
      if (claimed.state === 'claimed') {
        expect(dead, 'who works on a job keeps it').not.toContain(claimed.jobId)
        if (claimed.jobId !== jobId) expect(dead).toContain(jobId)
      }
    }
  })

  it('is left alone while its lease lasts', async () => {
    const { sql } = database()
    const jobId = await makeJob(sql, { status: 'processing', ageDays: 30, leasedFor: '1 minute' })
    const options = {
      kind: 'abandoned',
      before: before(),
      jobIds: [jobId],
      kept: false,
    } as const
    await retireJobs(sql, policy, options)
    expect(await sql`select 1 from open_jobs where job_id = ${jobId}`).toHaveLength(1)
    await sql`update open_jobs set lease_until = now() - interval '1 minute' where job_id = ${jobId}`
    await retireJobs(sql, policy, options)
    expect(await sql`select 1 from open_jobs where job_id = ${jobId}`).toHaveLength(0)
  })
})
