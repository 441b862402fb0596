import { beforeEach, expect, it } from 'vitest'
import { wantedObjects } from '../../src/backup/objects.ts'
import { countReferredObjects, referredObjects, sampleObjects } from '../../src/database/backups.ts'
import { keptKinds } from '../../src/database/kept.ts'
import { objectKey } from '../../src/store/keys.ts'
import { makeJob } from '../support/jobs.ts'
import { onBothDatabases } from './databases.ts'

onBothDatabases('what a backup has to hold', (database) => {
  beforeEach(async () => {
    await database().sql`truncate image_process_jobs cascade`
  })

  it('is what completed jobs keep, and nothing else', async () => {
    const { sql } = database()
    await makeJob(sql)
    await makeJob(sql, { kept: ['mask', 'processed'] })
    await makeJob(sql, { kept: [] })
    await makeJob(sql, { status: 'failed' })
    const keys: Record<string, string[]> = {}
    let bytes = 0
    for (const kind of keptKinds) {
      keys[kind] = []
      for await (const { key, size } of referredObjects(sql, kind)) {
        keys[kind].push(key)
        bytes += size
      }
    }
    expect(keptKinds.map((kind) => keys[kind]?.length)).toEqual([1, 2, 2])
    expect(await countReferredObjects(sql)).toEqual({ count: 5, bytes })
    const sampled = await sampleObjects(sql, 10)
    expect(sampled.map(({ key }) => key).sort()).toEqual(Object.values(keys).flat().sort())
    expect(sampled.reduce((sum, { size }) => sum + size, 0)).toBe(bytes)
  })

  it('is an original once, in the order of keys, however many jobs share it and wherever its own job is', async () => {
    const { sql } = database()
    const owners: string[] = []
    for (const ageDays of [3, 2, 1]) owners.push(await makeJob(sql, { ageDays }))
    for (const sharesWith of [...owners, ...owners]) await makeJob(sql, { sharesWith })
    await sql`delete from image_process_jobs where job_id = ${owners[1]!}`
    const keys: string[] = []
    for await (const { key } of wantedObjects(sql, 'original')) keys.push(key)
    expect(keys).toEqual(owners.map((jobId) => objectKey('original', jobId, 1, 'jpg')))
    expect((await countReferredObjects(sql)).count).toBe(3 + 2 * 8)
  })
})
