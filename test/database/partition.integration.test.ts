/** A log in months: how it comes to be one, and that everything which worked on one table works on it. */
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { restoreBackup } from '../../src/backup/restore.ts'
import { takeBackup } from '../../src/backup/take.ts'
import type { Vault } from '../../src/backup/vault.ts'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import { checkHealth } from '../../src/database/health/index.ts'
import { indexStates, vacuumTables } from '../../src/database/indexes.ts'
import {
  claimJob,
  completeJob,
  failJob,
  findCompletedBySource,
  findJobOfFile,
} from '../../src/database/jobs.ts'
import { applyMigrations, type Migration, shippedMigrations } from '../../src/database/migrate.ts'
import { partitionLog, planPartition } from '../../src/database/partition-log.ts'
import { ensurePartitions } from '../../src/database/partitions.ts'
import { explainJobPage, findJobPage, findJobs } from '../../src/database/query.ts'
import { objectsByKind } from '../../src/database/stored-objects.ts'
import { logSize } from '../../src/database/tombstones.ts'
import { foldUsage, storedBytes, usageBy } from '../../src/database/usage.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { planPrune } from '../../src/upkeep/prune.ts'
import { planReindex } from '../../src/upkeep/reindex.ts'
import { completion, request, someRun } from '../support/claims.ts'
import { temporaryFolder } from '../support/cli.ts'
import { makeJob, makeOpenJob } from '../support/jobs.ts'
import { describeWith, freshDatabase, migratedDatabase } from '../support/servers.ts'
import { agedStore } from '../upkeep/aged-store.ts'

const execution = { rate: 1e9, signal: new AbortController().signal, onJobs: () => {} }
const dayMs = 86_400_000
/** The first of the UTC month that was so many days ago. */
const monthOf = (daysAgo: number): Date => {
  const at = new Date(Date.now() - daysAgo * dayMs)
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1))
}
const suffixOf = (daysAgo: number): string => monthOf(daysAgo).toISOString().slice(0, 7).replace('-', '_')

async function open(): Promise<Database> {
  const { url, drop } = await migratedDatabase()
  const database = connectServer(url)
  cleanUps.push(async () => {
    await database.close()
    await drop()
  })
  return database
}
const cleanUps: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const cleanUp of cleanUps) await cleanUp()
})

/** Everything on the tables but their names and months. */
const shapeOf = async ({ sql }: Database) => {
  const rows = await sql`
    select 'index ' || i.relname || ' ' || regexp_replace(pg_get_indexdef(i.oid), ' ON (ONLY )?', ' ON ') as what
    from pg_index x join pg_class i on i.oid = x.indexrelid
    where x.indrelid in ('image_process_jobs'::regclass, 'image_tags'::regclass)
    union all
    select 'constraint ' || conname || ' ' || convalidated || ' ' || pg_get_constraintdef(oid) from pg_constraint
    where conrelid in ('image_process_jobs'::regclass, 'image_tags'::regclass)
    union all
    select 'column ' || attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull
      || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '')
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where attrelid in ('image_process_jobs'::regclass, 'image_tags'::regclass) and attnum > 0
    union all
    select 'trigger ' || pg_get_triggerdef(oid) from pg_trigger
    where tgrelid in ('image_process_jobs'::regclass, 'image_tags'::regclass) and not tgisinternal
      and tgname not in ('note_keys_of_new', 'note_keys_of_changed', 'forget_keys_of_gone')
    union all
    select 'table ' || relname || ' ' || pg_get_userbyid(relowner) || ' ' || coalesce(relacl::text, '') || coalesce(obj_description(oid), '')
    from pg_class where oid in ('image_process_jobs'::regclass, 'image_tags'::regclass)
    union all
    select 'function ' || p.oid::regprocedure || ' ' || md5(prosrc) || coalesce(proacl::text, '') || prosecdef
    from pg_proc p where pronamespace = 'public'::regnamespace
      and proname not in ('jobs_of_content', 'jobs_of_cutout', 'jobs_of_mask', 'jobs_of_source')
    order by 1`
  return rows.map(({ what }) => what as string)
}
/** Indexes that known_keys takes the place of, and the foreign key that stands on each month instead. */
const isOfMonths = (what: string) =>
  /image_process_jobs_(content|cutout|mask|source)_key_idx|constraint image_tags_job_id_fkey/.test(what)

describeWith('RMBG_TEST_DATABASE_URL')('a log that is turned into months', () => {
  let database: Database
  beforeAll(async () => {
    database = await open()
  })

  it('keeps what is on it, ours and that of others', async () => {
    const { sql } = database
    const reader = `rmbg_reader_${uuidv7().slice(-8)}`
    await sql.unsafe(`create role ${reader}; grant select on image_process_jobs to ${reader};
      grant insert (job_id) on image_tags to ${reader} with grant option;
      create index theirs on image_process_jobs (source_size) where user_id = 'anna';
      comment on table image_process_jobs is 'The log.';
      create view their_view with (security_barrier = true) as select count(*) as jobs from image_process_jobs;
      create function their_trigger() returns trigger language plpgsql as 'begin return null; end';
      create trigger theirs after insert on image_process_jobs for each statement execute function their_trigger();
      alter table image_process_jobs disable trigger theirs`)
    const jobId = await makeJob(sql, { tags: ['spring'] })
    const before = await shapeOf(database)
    const { lockedMs, noted } = await partitionLog(database)
    expect(lockedMs).toBeGreaterThan(0)
    expect(noted).toBe(1)
    expect(await shapeOf(database)).toEqual(before.filter((what) => !isOfMonths(what)))
    const keys = await sql`
      select conrelid::regclass::text as tags, confrelid::regclass::text as jobs, convalidated as valid from pg_constraint
      where contype = 'f' and conrelid::regclass::text like 'image_tags%' and confrelid <> 'tags'::regclass`
    expect(keys.length).toBe((await sql`select from log_partitions()`).length)
    for (const { tags, jobs, valid } of keys)
      expect([tags.replace('image_tags', 'image_process_jobs'), valid]).toEqual([jobs, true])
    expect(await sql`select tgenabled from pg_trigger where tgname = 'theirs'`).toEqual([{ tgenabled: 'D' }])
    await makeJob(sql)
    expect(await sql`select jobs::int from their_view`).toEqual([{ jobs: 2 }])
    expect((await findJobs(sql, [jobId]))[0]).toMatchObject({ jobId, tags: ['spring'] })
    expect(await planPartition(database)).toMatchObject({ state: 'done', obstacles: [] })
    expect(await partitionLog(database)).toEqual({ months: [], noted: 0 })
    await sql.unsafe(`drop owned by ${reader}; drop role ${reader}`)
  })

  it('is refused where something would be lost, which is named', async () => {
    const other = await open()
    await other.sql.unsafe(`
      create unique index theirs on image_process_jobs (source_path, job_id);
      create table their_table (job_id uuid references image_process_jobs);
      create materialized view their_copy as select job_id from image_process_jobs;
      alter table image_tags enable row level security`)
    await expect(partitionLog(other)).rejects.toMatchObject({
      code: 'REFUSED',
      message:
        'The log has what would be lost or left behind: row level security of image_tags; ' +
        'the foreign key their_table_job_id_fkey of their_table; the materialized view their_copy; ' +
        'the unique index theirs.',
    })
    expect((await planPartition(other)).state).toBe('one table')
  })

  it('loses no job and fails no run that writes meanwhile', async () => {
    const other = await open()
    const { sql } = other
    for (let job = 0; job < 20; job++) await makeJob(sql)
    const stop = new AbortController()
    const write = async () => {
      const run = someRun()
      const done: string[] = []
      while (!stop.signal.aborted) {
        const claim = await claimJob(sql, request({ run, tags: ['live'] }))
        if (claim.state !== 'claimed') throw new Error(claim.state)
        const isDone =
          done.length % 5 === 4
            ? await failJob(sql, {
                ...{ jobId: claim.jobId, attempt: claim.attempt, runId: run.id, params: {} },
                ...{ errorCode: 'INPUT_CORRUPT', errorMessage: 'No.' },
              })
            : await completeJob(sql, completion(claim.jobId, run, claim.attempt))
        expect(isDone).toBe(true)
        done.push(claim.jobId)
      }
      return done
    }
    const writers = [write(), write()]
    await partitionLog(other)
    stop.abort()
    const done = (await Promise.all(writers)).flat()
    expect((await findJobs(sql, done)).length).toBe(done.length)
    const failed = await sql`select 1 from image_process_jobs where status = 'failed'`
    await foldUsage(sql)
    const [tagged] = await usageBy(sql, 'tag', { from: '2000-01-01', to: '2999-01-01' }, 10)
    expect(tagged).toMatchObject({ value: 'live', jobs: done.length, failed: failed.length })
  })
})

describeWith('RMBG_TEST_DATABASE_URL')('a log in months', () => {
  let database: Database
  let at: Awaited<ReturnType<typeof agedStore>>
  beforeAll(async () => {
    database = await open()
    const { sql } = database
    await makeJob(sql, { ageDays: 400 })
    await partitionLog(database, { before: monthOf(250) })
    await sql`select make_log_month(now() - days * interval '1 day') from generate_series(0, 240, 5) days`
  })
  beforeEach(async () => {
    at = await agedStore()
  })
  const prune = (policy: { completed?: string; failed?: string; abandoned?: string }, more = {}) =>
    planPrune(
      { database, store: async () => at.store },
      {
        ...{ policy: { olderThan: policy, keepLast: undefined, filter: {} } },
        ...{ maxShare: 100, keepObjects: false, versions: false, ...more },
      },
    )
  const make = (more: Parameters<typeof makeJob>[1] = {}) =>
    makeJob(database.sql, { store: at.store, ...more })
  const suffixes = async () =>
    (await database.sql`select suffix from log_partitions()`).map((row) => row.suffix)
  const bytesOf = async () => {
    const { original, mask, processed } = await storedBytes(database.sql)
    return original + mask + processed
  }
  const keysOf = async (jobId: string) => (await at.keys()).filter((key) => key.includes(jobId))

  it('has room for the months to come, and makes it where a clock says otherwise', async () => {
    const { sql } = database
    expect(await ensurePartitions(sql)).toEqual([])
    expect(await suffixes()).toEqual(expect.arrayContaining([suffixOf(0), suffixOf(-32)]))
    const run = someRun()
    const late = uuidv7({ msecs: Date.UTC(2061, 4, 5) })
    const claim = await claimJob(sql, request({ run, jobId: late, tags: ['late'] }))
    expect(claim.state).toBe('claimed')
    expect(await completeJob(sql, completion(late, run))).toBe(true)
    expect((await findJobs(sql, [late]))[0]).toMatchObject({ status: 'completed', tags: ['late'] })
    expect(await suffixes()).toContain('2061_05')
    await sql`delete from image_process_jobs where job_id = ${late}`
    await sql`drop table image_process_jobs_2061_05, image_tags_2061_05`
  })

  it('settles the statistics of a month that goes without reading those that stay', async () => {
    const { sql } = database
    await make({ ageDays: 230 })
    for (let job = 0; job < 30; job++) await make()
    await sql`analyze image_process_jobs`
    const settling = await sql.begin(async (transaction) => {
      await transaction`set local enable_seqscan = off`
      const read = async () => {
        await transaction`select pg_stat_force_next_flush()`
        const [row] = await transaction`
            select sum(idx_tup_read)::int + sum(pg_stat_get_xact_tuples_returned(indexrelid))::int as rows
            from pg_stat_user_indexes where relname like 'image\\_process\\_jobs\\_%'`
        return row?.rows as number
      }
      const [gone] = await transaction`
          select retire_month(${suffixOf(230)}, now() - interval '200 days', null, null)::text as gone`
      const retired = await read()
      await transaction`select settle_gone_month(${gone?.gone}::bigint)`
      return (await read()) - retired
    })
    expect(settling).toBeLessThan(10)
    for (const { gone } of await sql`select gone_id::text as gone from gone_months`)
      await sql`select drop_gone_month(${gone}::bigint)`
  })

  it('loses no job to a conversion that was given up', async () => {
    const other = await open()
    await other.sql`alter table image_process_jobs add constraint image_process_jobs_past_ids
      check (job_id < '00000000-0000-7000-8000-000000000000') not valid`
    const run = someRun()
    const claim = await claimJob(other.sql, request({ run }))
    if (claim.state !== 'claimed') throw new Error(claim.state)
    expect(await completeJob(other.sql, completion(claim.jobId, run))).toBe(true)
  })

  it('knows contents, files, cut-outs and masks in one place, whatever their month', async () => {
    const { sql } = database
    const jobId = await make({ ageDays: 100 })
    const [row] = await sql`
      select source_path as path, source_size::float8 as size, encode(fingerprint, 'hex') as fingerprint,
        encode(content_sha256, 'hex') as content, encode(processed_sha256, 'hex') as cutout,
        encode(mask_sha256, 'hex') as mask
      from image_process_jobs where job_id = ${jobId}`
    const { path, size, fingerprint, content, cutout, mask } = row!
    const source = { path, size, mtimeNs: 1n }
    const [known] = await findCompletedBySource(sql, { fingerprint, keep: [] }, [source])
    expect(known?.jobId).toBe(jobId)
    expect(await findJobOfFile(sql, cutout)).toMatchObject({ made: 'cut-out', job: { jobId } })
    expect(await findJobOfFile(sql, mask)).toMatchObject({ made: 'mask', job: { jobId } })
    expect(await claimJob(sql, request({ contentSha256: content, fingerprint }))).toMatchObject({
      ...{ state: 'completed', job: { jobId } },
    })
    const indexed = await sql`select indexrelid::regclass::text as name from pg_index x
      join pg_class t on t.oid = x.indrelid where t.relname like 'image_process_jobs%'`
    expect(indexed.filter(({ name }) => /substr|source_key|content_month/.test(name))).toEqual([])
  })

  it('looks into the month of an id, and for a page into the newest months', async () => {
    const { sql } = database
    const [old, young] = [await make({ ageDays: 200, user: 'berta' }), await make({ user: 'berta' })]
    const plan = await explainJobPage(sql, { user: 'berta' }, { limit: 1 })
    const months = new Set(plan.join('\n').match(/image_process_jobs_\d{4}_\d\d(?= |_\w+ on)/g))
    expect(months.size).toBeLessThan(8)
    const first = await findJobPage(sql, { user: 'berta' }, { limit: 1 })
    expect(first.jobs.map(({ jobId }) => jobId)).toEqual([young])
    const second = await findJobPage(sql, { user: 'berta' }, { limit: 1, after: first.next })
    expect(second).toMatchObject({ jobs: [{ jobId: old }], next: undefined })
    const until = { at: new Date(Date.now() - 100 * dayMs).toISOString() }
    expect((await findJobPage(sql, { user: 'berta', until }, { limit: 9 })).jobs).toMatchObject([
      { jobId: old },
    ])
    const since = { ago: '30 days' }
    expect((await findJobPage(sql, { user: 'berta', since }, { limit: 9 })).jobs).toMatchObject([
      { jobId: young },
    ])
    const recent = (await explainJobPage(sql, { since: { ago: '3 days' } }, { limit: 9 })).join('\n')
    expect(recent).not.toContain(`image_process_jobs_${suffixOf(70)}`)
    const [byId] = await sql`explain (format json)
      select 1 from all_jobs where job_id in ${sql([old])}`
    expect(JSON.stringify(byId)).toContain(`image_process_jobs_${suffixOf(200)}`)
    expect(JSON.stringify(byId)).not.toContain(`image_process_jobs_${suffixOf(0)}`)
  })

  it('is pruned by whole months, with statistics, tags, keys and objects', async () => {
    const { sql } = database
    await sql`delete from image_process_jobs`
    await foldUsage(sql)
    const days = 190
    const [gone, failed] = [
      await make({ ageDays: days, tags: ['old'] }),
      await make({ ageDays: days, status: 'failed' }),
    ]
    const owner = await make({ ageDays: days })
    const heir = await make({ ageDays: 20, sharesWith: owner })
    const again = await make({ ageDays: days, status: 'failed' })
    await makeOpenJob(sql, { job_id: again, leasedFor: '1 hour' })
    const [size] =
      await sql`select original_bytes::float8 as bytes from image_process_jobs where job_id = ${owner}`
    const all = await bytesOf()
    const plan = await prune({ completed: '150 days' })
    expect(plan.figures).toMatchObject({
      rows: { completed: 2, failed: 0 },
      months: expect.arrayContaining([{ month: suffixOf(days), jobs: 2, isEstimate: false }]),
    })
    expect(await plan.execute(execution)).toMatchObject({ jobs: 2, objects: 5, left: 0, interrupted: false })
    await plan.close()
    expect(
      (await sql`select job_id from image_process_jobs order by job_id`).map(({ job_id }) => job_id),
    ).toEqual([failed, again, heir].sort())
    expect([await keysOf(gone), await keysOf(owner)]).toEqual([[], [expect.stringContaining('original/')]])
    expect(await sql`select original_shared from image_process_jobs where job_id = ${heir}`).toEqual([
      { original_shared: false },
    ])
    const left = await bytesOf()
    const [kept] = await sql`select (mask_bytes + processed_bytes)::float8 as bytes from image_process_jobs
      where job_id = ${heir}`
    expect(left).toBe(kept!.bytes + size!.bytes)
    expect(left).toBeLessThan(all)
    expect(await sql`select 1 from known_keys where job_id in ${sql([gone, owner])}`).toHaveLength(0)
    expect(await sql`select 1 from gone_months`).toHaveLength(0)
    expect(await sql`select relname from pg_class where relname like 'gone_jobs%'`).toHaveLength(0)
    const months = await suffixes()
    expect(months).toContain(suffixOf(days)) // of the failed ones
    expect(months).not.toContain(suffixOf(240))
    expect(months).toContain(suffixOf(100))
    // And the failed ones go when they are due; what a run has taken up stays.
    const rest = await prune({ completed: '150 days', failed: '150 days' })
    expect(await rest.execute(execution)).toMatchObject({ jobs: 1 })
    await rest.close()
    expect(
      (await sql`select job_id from image_process_jobs order by job_id`).map(({ job_id }) => job_id),
    ).toEqual([again, heir].sort())
    await sql`truncate open_jobs`
  })

  it('goes row by row where a month holds more than is due, or objects are to stay', async () => {
    const { sql } = database
    await sql`delete from image_process_jobs`
    const [old, tagged] = [await make({ ageDays: 130 }), await make({ ageDays: 130, tags: ['keep'] })]
    const objectsStay = await prune({ completed: '60 days' }, { keepObjects: true })
    expect(objectsStay.figures).toMatchObject({ rows: { completed: 2 }, months: [] })
    await objectsStay.close()
    const policy = {
      olderThan: { completed: '60 days' },
      keepLast: undefined,
      filter: { exceptTags: ['keep'] },
    }
    const plan = await prune({}, { policy })
    expect(plan.figures).toMatchObject({ rows: { completed: 1 }, months: [] })
    expect(await plan.execute(execution)).toMatchObject({ jobs: 1, objects: 3 })
    await plan.close()
    expect(await keysOf(old)).toEqual([])
    expect(await keysOf(tagged)).toHaveLength(3)
    // More jobs than were planned: none of the month goes.
    const late = await prune({ completed: '60 days' })
    await make({ ageDays: 130 })
    expect(await late.execute(execution)).toMatchObject({ jobs: 0 })
    await late.close()
    const tooMany = await prune({ completed: '60 days' }, { maxShare: 50 })
    expect(() => tooMany.assertAllowed()).toThrow('more than --max-share 50% allows')
    await tooMany.close()
  })

  it('is backed up, tried and restored', async () => {
    const { sql } = database
    await sql`delete from image_process_jobs`
    await make({ ageDays: 5, tags: ['kept'] })
    // A month that a killed prune left: its list is part of the log.
    await sql`select make_log_month(now() - interval '130 days')`
    await make({ ageDays: 130 })
    await sql`select retire_month(${suffixOf(130)}, now() - interval '60 days', null, null)`
    const location = await temporaryFolder()
    const vault: Vault = { location, store: directoryStore(location) }
    const { signal } = new AbortController()
    const { manifest } = await takeBackup(
      { database, store: at.store, vault },
      {
        ...{ program: 'test', objects: false, keepLast: undefined, keepDays: undefined },
        ...{ drill: true, signal, onObject: () => {}, onStep: () => {} },
      },
    )
    const fresh = await freshDatabase()
    const restored = connectServer(fresh.url)
    onTestFinished(async () => {
      await restored.close()
      await fresh.drop()
    })
    expect(await restoreBackup(vault, manifest, restored)).toBe(true)
    // Texts are read and written again, and rights are not restored.
    const names = (shape: string[]) => shape.map((what) => what.split(' ', 2).join(' '))
    expect(names(await shapeOf(restored))).toEqual(names(await shapeOf(database)))
    const jobs = (of: Database['sql']) =>
      of`select job_id, tableoid::regclass::text from image_process_jobs order by 1`
    expect([...(await jobs(restored.sql))]).toEqual([...(await jobs(sql))])
    expect(
      await restored.sql`select job_id from gone_page((select gone_id from gone_months), 9)`,
    ).toHaveLength(1)
    const run = someRun()
    const claim = await claimJob(restored.sql, request({ run }))
    if (claim.state !== 'claimed') throw new Error(claim.state)
    expect(await completeJob(restored.sql, completion(claim.jobId, run))).toBe(true)
    const plan = await prune({ completed: '300 days' })
    expect(plan.figures.leftovers).toBe(1)
    await plan.execute(execution)
    await plan.close()
    expect(await sql`select 1 from gone_months`).toHaveLength(0)
  })

  it('gets the indexes of later releases month by month, and loses those that they drop', async () => {
    const { sql } = database
    const shipped = await shippedMigrations()
    const later = (number: string, text: string): Migration => ({
      ...{ name: `${number}_later`, sql: text, sha256: number, transaction: false },
    })
    const build = later(
      '9998',
      'create index concurrently if not exists later_idx on image_process_jobs (run_id);\n',
    )
    // As a killed build leaves it.
    await sql`create index later_idx on only image_process_jobs (run_id)`
    await applyMigrations(database, { shipped: [...shipped, build] })
    const months = await suffixes()
    const indexes = () => sql`select indisvalid from pg_index where indexrelid in (
      select 'later_idx'::regclass::oid union all select inhrelid from pg_inherits where inhparent = 'later_idx'::regclass)`
    expect((await indexes()).map(({ indisvalid }) => indisvalid)).toEqual(Array(months.length + 1).fill(true))
    const drop = later('9999', 'drop index concurrently if exists later_idx;\n')
    await applyMigrations(database, { shipped: [...shipped, build, drop] })
    expect(await sql`select to_regclass('later_idx') as found`).toEqual([{ found: null }])
    await sql`delete from schema_migrations where name like '999%'`
  })

  it('is looked after month by month', async () => {
    const { sql } = database
    await make({ ageDays: 3 })
    await vacuumTables(sql, () => {})
    const month = `image_process_jobs_${suffixOf(3)}`
    const states = await indexStates(sql)
    expect(states.map(({ table }) => table)).toEqual(expect.arrayContaining([month]))
    expect(states.find(({ table }) => table === 'image_process_jobs')).toBeUndefined()
    const [{ jobs } = { jobs: 0 }] = await sql`select count(*)::int as jobs from all_jobs`
    expect(await logSize(sql, 10)).toEqual({ jobs, isEstimate: false })
    expect((await objectsByKind(sql)).mask.objects).toBeGreaterThan(0)
    const reindex = await planReindex(database)
    expect(reindex.figures.leftovers).toEqual([])
    const checks = new Map((await checkHealth(database)).map((check) => [check.name, check]))
    expect(checks.get('vacuum')?.details.join('\n')).toContain(`${month}: `)
    expect(checks.get('indexes')?.summary).toMatch(
      /^0 invalid indexes, 0 sets of duplicates, 0 covered by others/,
    )
    expect(checks.get('bloat')?.level).toBe('ok')
  })
})

describe('the embedded database', () => {
  it('keeps its log in one table', async () => {
    const { openEmbedded } = await import('../../src/database/embedded.ts')
    const { copyEmbeddedDatabase } = await import('../support/embedded-database.ts')
    const folder = `${await temporaryFolder()}/database`
    await copyEmbeddedDatabase(folder)
    const embedded = await openEmbedded(folder)
    onTestFinished(() => embedded.close())
    await expect(partitionLog(embedded)).rejects.toMatchObject({
      code: 'USAGE',
      message: 'The embedded database keeps its log in one table: partitions are for servers.',
    })
  })
})
