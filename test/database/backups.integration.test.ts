import { beforeEach, expect, it } from 'vitest'
import { countReferredObjects, referredObjects, sampleObjects } from '../../src/database/backups.ts'
import { keptKinds } from '../../src/database/kept.ts'
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
})
