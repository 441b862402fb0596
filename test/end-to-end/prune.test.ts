/** `rmbg prune` on PostgreSQL and S3: nothing that should stay goes. How it is killed: test/faults/upkeep.test.ts. */
import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3'
import postgres from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { objectKey } from '../../src/store/keys.ts'
import { describeServers, freshInstallation, type Installation } from '../support/fixture-installation.ts'
import { freshWorkspace } from '../support/fixture-workspace.ts'
import { picture } from '../support/images.ts'
import { expectInvariants, jobRows } from '../support/job-rows.ts'
import { makeJob } from '../support/jobs.ts'
import { s3Endpoint } from '../support/servers.ts'

let installation: Installation
const jobs = async () => (await jobRows(installation.sql)).map(({ job_id }) => job_id).sort()
const json = async (...args: string[]) => {
  const { status, stdout, stderr } = await installation.run([...args, '--json'])
  return { status, stderr, result: JSON.parse(stdout) }
}

const migrated = async () => {
  installation = await freshInstallation({ migrated: true })
}

describeServers('rmbg prune', () => {
  let old: string[]
  let young: string[]
  beforeAll(async () => {
    await migrated()
    old = await Promise.all(
      [200, 300, 400].map((ageDays) => makeJob(installation.sql, { ageDays, store: installation.store })),
    )
    young = await Promise.all(
      [1, 100, 150].map((ageDays) => makeJob(installation.sql, { ageDays, store: installation.store })),
    )
  })
  afterAll(() => installation.close())

  it('shows its plan with --dry-run, and changes nothing', async () => {
    const { status, stdout } = await installation.run(['prune', '--dry-run'])
    expect(status).toBe(0)
    expect(stdout).toContain('3 of 6 jobs to delete: 3 completed')
    expect(await jobs()).toEqual([...old, ...young].sort())
    expect(await installation.bucket.keys()).toHaveLength(18)
  })

  it('asks on a terminal, and without one wants --yes', async () => {
    const { status, stderr } = await installation.run(['prune'])
    expect(status).toBe(2)
    expect(stderr).toContain('--yes')
    expect(await jobs()).toHaveLength(6)
  })

  it('excepts a tag that nobody has made yet, and says that it keeps nothing', async () => {
    const { status, stdout, stderr } = await installation.run(['prune', '--dry-run', '--except-tag', 'keep'])
    expect(status, stderr).toBe(0)
    expect(stdout).toContain('3 of 6 jobs to delete: 3 completed')
    expect(stderr).toContain('No job has the tag "keep", so --except-tag keeps nothing by it.')
  })

  it('refuses when a larger share of the log would go than --max-share allows', async () => {
    const { status, stderr } = await installation.run(['prune', '--yes', '--max-share', '49%'])
    expect(status).toBe(2)
    expect(stderr).toContain('3 of 6 jobs (50.0%) would be deleted, more than --max-share 49% allows')
    expect(await jobs()).toHaveLength(6)
  })

  it('refuses while another prune is at work', async () => {
    const other = postgres(installation.database.url, { max: 1 })
    await other`select pg_advisory_lock(7262671403)`
    const { status, stderr } = await installation.run(['prune', '--yes'])
    await other.end()
    expect(status).toBe(2)
    expect(stderr).toContain('at work')
    expect(await jobs()).toHaveLength(6)
  })

  it('deletes rows and objects, and leaves the statistics', async () => {
    const before = await json('stats', '--since', '2y')
    const { status, result } = await json('prune', '--yes')
    expect(status).toBe(0)
    expect(result.pruned).toMatchObject({ jobs: 3, objects: 9, hidden: false, interrupted: false })
    expect(await jobs()).toEqual([...young].sort())
    await expectInvariants(installation.sql, installation.store)
    expect(await installation.bucket.keys()).toHaveLength(9)
    expect(await installation.sql`select 1 from tombstones`).toHaveLength(0)
    const after = await json('stats', '--since', '2y')
    expect(after.result.total).toEqual({
      ...before.result.total,
      storedBytes: after.result.total.storedBytes,
    })
    expect(after.result.store.original).toBeLessThan(before.result.store.original)
  })

  it('has nothing left to do then', async () => {
    const { status, stdout } = await installation.run(['prune', '--yes'])
    expect(status).toBe(0)
    expect(stdout).toContain('Nothing to delete')
  })
})

describeServers('the policy of rmbg prune', () => {
  beforeAll(migrated)
  afterAll(() => installation.close())

  it('spares tags, users and the newest of each user', async () => {
    const at = (ageDays: number, more = {}) =>
      makeJob(installation.sql, { ageDays, store: installation.store, ...more })
    const kept = await at(400, { tags: ['keep'] })
    const bobs = await at(390, { user: 'bob' })
    const anna = [await at(380), await at(370), await at(360), await at(1)]
    const plan = async (...args: string[]) => (await json('prune', '--dry-run', ...args)).result.plan.rows
    expect(await plan('--max-share', '100%')).toEqual({ completed: 5, failed: 0, abandoned: 0 })
    expect(await plan('--except-tag', 'keep', '--max-share', '100%')).toMatchObject({ completed: 4 })
    expect(await plan('--user', 'bob')).toMatchObject({ completed: 1 })
    expect(await plan('--tag', 'keep')).toMatchObject({ completed: 1 })
    expect(await plan('--keep-last', '2')).toMatchObject({ completed: 3 })
    expect((await installation.run(['prune', '--dry-run', '--tag', 'kep'])).stderr).toContain(
      'Did you mean "keep"',
    )
    const { result } = await json('prune', '--keep-last', '2', '--except-tag', 'keep', '--yes')
    expect(result.pruned.jobs).toBe(2)
    expect(await jobs()).toEqual([kept, bobs, anna[2]!, anna[3]!].sort())
  })

  it('takes failed and abandoned jobs at ages of their own, whatever objects they left', async () => {
    const failed = await makeJob(installation.sql, {
      status: 'failed',
      ageDays: 40,
      store: installation.store,
    })
    const pending = await makeJob(installation.sql, { status: 'pending', ageDays: 40 })
    const processing = await makeJob(installation.sql, { status: 'processing', ageDays: 40 })
    const leased = await makeJob(installation.sql, {
      ...{ status: 'processing', ageDays: 40, leasedFor: '1 hour' },
    })
    const left = objectKey('processed', processing, 1, 'webp')
    await installation.store.put(left, Buffer.from('x'), {
      contentType: 'image/webp',
      sha256: createHash('sha256').update('x').digest('hex'),
    })
    expect((await json('prune', '--dry-run')).result.plan.rows).toMatchObject({ failed: 0, abandoned: 0 })
    const { result } = await json(
      ...[
        'prune',
        '--failed-older-than',
        '30d',
        '--abandoned-older-than',
        '7d',
        '--max-share',
        '100%',
        '--yes',
      ],
    )
    expect(result.plan.rows).toEqual({ completed: 3, failed: 1, abandoned: 2 })
    const remaining = await jobs()
    for (const gone of [failed, pending, processing]) expect(remaining).not.toContain(gone)
    expect(remaining).toContain(leased)
    await expectInvariants(installation.sql, installation.store)
    expect(await installation.bucket.keys()).not.toContain(left)
  })

  it('with --keep-objects leaves them in the store, and their tombstones', async () => {
    const job = await makeJob(installation.sql, { ageDays: 500, store: installation.store })
    await installation.run(['prune', '--older-than', '450d', '--keep-objects', '--yes'])
    expect(await jobs()).not.toContain(job)
    expect((await installation.bucket.keys()).filter((key) => key.includes(job))).toHaveLength(3)
    expect(await installation.sql`select kept from tombstones where job_id = ${job}`).toEqual([
      { kept: true },
    ])
    const { result } = await json('orphans', '--grace', '0s', '--yes')
    expect(result.plan.objects).toBe(0)
    expect((await installation.bucket.keys()).filter((key) => key.includes(job))).toHaveLength(3)
  })
})

describeServers('rmbg orphans', () => {
  beforeAll(migrated)
  afterAll(() => installation.close())
  const put = async (key: string) =>
    installation.store.put(key, Buffer.from('x'), {
      contentType: 'image/png',
      sha256: createHash('sha256').update('x').digest('hex'),
    })

  it('finds objects without a job and jobs without their objects, and leaves what is young or not ours', async () => {
    const whole = await makeJob(installation.sql, { ageDays: 3, store: installation.store })
    const robbed = await makeJob(installation.sql, { ageDays: 2, store: installation.store })
    const fresh = await makeJob(installation.sql, { ageDays: 0 })
    await installation.store.remove([objectKey('mask', robbed, 1, 'png')])
    const lost = objectKey('processed', uuidv7(), 1, 'png')
    const superseded = objectKey('processed', whole, 1, 'webp')
    const foreign = 'original/readme.txt'
    for (const key of [lost, superseded, foreign]) await put(key)

    const refused = await installation.run(['orphans', '--yes'])
    expect([refused.status, refused.stderr]).toEqual([
      2,
      expect.stringContaining('Check that this is the store of these jobs'),
    ])
    const none = await json('orphans', '--max-share', '50%', '--yes')
    expect(none.result.plan, 'all objects are young').toMatchObject({ objects: 0, rows: 1, foreign: 1 })
    expect(none.result.done).toMatchObject({ objects: 0, rows: 1 })
    const [young] = await installation.sql`select status from image_process_jobs where job_id = ${fresh}`
    expect(young!.status).toBe('completed')
    await installation.sql`update image_process_jobs set status = 'completed', error_code = null where job_id = ${robbed}`

    const { stdout } = await installation.run(['orphans', '--grace', '0s', '--dry-run'])
    expect(stdout).toContain(`object without a job      ${lost}`)
    expect(stdout).toContain(`object of an earlier try  ${superseded}`)
    expect(stdout).toContain(`job without its object    ${objectKey('mask', robbed, 1, 'png')}`)
    expect(stdout).toContain('not ours, left alone      original/readme.txt')

    const rowsOnly = await json('orphans', '--grace', '1s', '--keep-objects', '--max-share', '100%', '--yes')
    expect(rowsOnly.result.done).toMatchObject({ objects: 0 })
    expect(await installation.bucket.keys()).toContain(lost)
    const many = await installation.run(['orphans', '--grace', '0s', '--keep-rows', '--yes'])
    expect([many.status, many.stderr]).toEqual([
      2,
      expect.stringContaining('the log is that of an older backup'),
    ])
    const { result } = await json('orphans', '--grace', '0s', '--keep-rows', '--max-share', '50%', '--yes')
    expect(result.done).toMatchObject({ objects: 2, rows: 0, left: 0, interrupted: false })
    const keys = await installation.bucket.keys()
    expect(keys).not.toContain(lost)
    expect(keys).not.toContain(superseded)
    expect(keys).toContain(foreign)
    const rows = await jobRows(installation.sql)
    expect(rows.find(({ job_id }) => job_id === robbed)).toMatchObject({
      status: 'failed',
      error_code: 'STORE_OBJECT_MISSING',
    })
    expect(rows.find(({ job_id }) => job_id === whole)!.status).toBe('completed')
  })

  it('makes a job without its objects fail, so that the next run makes them anew', async () => {
    await installation.sql`delete from image_process_jobs`
    await installation.store.remove(await installation.bucket.keys())
    await mkdir(join(installation.folder, 'photos'))
    await picture(1).jpeg().toFile(join(installation.folder, 'photos/cup.jpg'))
    expect((await installation.run(['process', 'photos'])).status).toBe(0)
    const [row] = await jobRows(installation.sql)
    await installation.store.remove([row!.processed_path!])
    await installation.sql`update image_process_jobs set created_at = created_at - interval '2 days',
      completed_at = completed_at - interval '2 days'`
    expect((await json('orphans', '--max-share', '100%', '--yes')).result.done.rows).toBe(1)
    const again = await installation.run(['process', 'photos'])
    expect(again.stdout).toContain('1 completed, 0 skipped, 0 failed of 1')
    const rows = await expectInvariants(installation.sql, installation.store)
    expect(rows.map(({ job_id, status }) => [job_id, status])).toEqual([[row!.job_id, 'completed']])
  })
})

describeServers('rmbg prune on a bucket with versions', () => {
  beforeAll(async () => {
    await migrated()
    const client = new S3Client({ endpoint: s3Endpoint!, region: 'us-east-1', forcePathStyle: true })
    const VersioningConfiguration = { Status: 'Enabled' as const }
    await client.send(
      new PutBucketVersioningCommand({ Bucket: installation.bucket.bucket, VersioningConfiguration }),
    )
    client.destroy()
  })
  afterAll(() => installation.close())

  it('says that nothing is freed, and with --versions frees it', async () => {
    await makeJob(installation.sql, { ageDays: 300, store: installation.store })
    await makeJob(installation.sql, { store: installation.store })
    const hidden = await installation.run(['prune', '--yes'])
    expect(hidden.stdout).toContain('Deleted 1 job and 3 objects')
    expect(hidden.stdout).toContain('still take up space')
    await makeJob(installation.sql, { ageDays: 300, store: installation.store })
    const freed = await json('prune', '--versions', '--yes')
    expect(freed.result.pruned).toMatchObject({ jobs: 1, hidden: false, versions: { versions: 3 } })
    expect(freed.result.pruned.versions.bytes).toBeGreaterThan(100)
  })
})

describeServers('rmbg reindex', () => {
  beforeAll(migrated)
  afterAll(() => installation.close())

  it('drops what a killed REINDEX left, and builds anew what would shrink', async () => {
    const { sql } = installation
    await sql`insert into users (user_id, username) select 'user ' || n, 'x' from generate_series(1, 60000) n`
    await sql`delete from users where user_id > 'user 2'`
    await sql`vacuum analyze users`
    await sql`create unique index concurrently users_name_ccnew on users (username)`.catch(() => {})
    const dry = await installation.run(['reindex', '--dry-run'])
    expect(dry.stdout).toContain('drop     users_name_ccnew')
    expect(dry.stdout).toMatch(/rebuild {2}users_pkey, .* MB/)
    const { result, status } = await json('reindex', '--vacuum')
    expect(status).toBe(0)
    const rebuilt = result.done.indexes.find(({ name }: { name: string }) => name === 'users_pkey')
    expect(result.done.dropped).toEqual(['users_name_ccnew'])
    expect(rebuilt.after).toBeLessThan(rebuilt.before * 0.5)
    expect(await sql`select 1 from pg_class where relname = 'users_name_ccnew'`).toHaveLength(0)
  })
})

it('rmbg prune works on the embedded database and a folder too', async () => {
  const { run, rows } = await freshWorkspace()
  await run('process', 'photos', '--tag', 'spring')
  const refused = await run('prune', '--older-than', '0s', '--yes')
  expect(refused.status).toBe(2)
  const { status, stdout } = await run(
    'prune',
    '--older-than',
    '0s',
    '--yes',
    '--max-share',
    '100%',
    '--vacuum',
  )
  expect(status, stdout).toBe(0)
  expect(stdout).toContain('Deleted 3 jobs and 9 objects')
  expect(await rows()).toEqual([])
  expect((await run('orphans', '--grace', '0s', '--yes')).stdout).toContain('No orphans among 0 objects')
  const again = await run('process', 'photos')
  expect(again.stdout).toContain('3 completed')
})
