/** An export holds what the log held, is brought up to date, and never loses what was pruned. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest'
import { noCache } from '../../../src/cache/none.ts'
import { connectServer } from '../../../src/database/connect.ts'
import { exportedRows } from '../../../src/database/export-rows.ts'
import { applyMigrations } from '../../../src/database/migrate.ts'
import { partitionLog } from '../../../src/database/partition-log.ts'
import { dimensions, type Usage } from '../../../src/database/usage.ts'
import { type DuckDb, openDuckDb } from '../../../src/jobs/lake/duckdb.ts'
import { exportLog } from '../../../src/jobs/lake/export.ts'
import type { ExportPlace } from '../../../src/jobs/lake/manifest.ts'
import { withExport } from '../../../src/jobs/lake/statistics.ts'
import { queryJobs } from '../../../src/jobs/pages.ts'
import { collectStatistics } from '../../../src/jobs/statistics.ts'
import { directoryStore } from '../../../src/store/directory.ts'
import { onBothDatabases } from '../../database/databases.ts'
import { makeJob } from '../../support/jobs.ts'
import { describeWith, freshDatabase } from '../../support/servers.ts'

const signal = new AbortController().signal

/** So many jobs in each of three months, of all kinds, with texts that a CSV could break on. */
async function fill(sql: postgres.Sql, count = 60): Promise<void> {
  await sql`
    insert into image_process_jobs (job_id, user_id, status, created_at, completed_at, original_path, mask_path,
      processed_path, processing_time_ms, image_width, image_height, file_size_kb, params, source_path, source_size,
      content_sha256, fingerprint, error_code, error_message, execution_provider, original_bytes, mask_bytes,
      processed_bytes, review, needs_review)
    select (lpad(to_hex((extract(epoch from c.at) * 1000)::bigint), 12, '0') || '7' || substr(md5(i::text), 1, 3)
        || '8' || substr(md5(i::text), 4, 15))::uuid,
      (array['anna', 'o"hara', 'zoë, "the second"'])[1 + i / 3 % 3], s.status, c.at,
      case when s.done then c.at + interval '1 second' end, 'original/' || i, case when s.done then 'mask/' || i end,
      case when s.done then 'processed/' || i end, case when s.done then 100 + i * 7 end, 100, 50, i,
      jsonb_build_object('model', jsonb_build_object('name', (array['silhouette', 'rmbg-2.0'])[1 + i % 2])),
      (array[E'/in/line\nbreak, "quoted"', 'https://me:secret@host/a.jpg?X-Signature=abc#x', '', null])[1 + i % 4]
        || '-' || i,
      i * 1000, sha256(i::text::bytea), sha256('parameters'), case when not s.done then 'INPUT_CORRUPT' end,
      case when not s.done then 'It is "damaged".' end, 'cpu', 1000, 10, 900,
      jsonb_build_object('reasons', case when i % 9 = 0 then '["small-subject"]'::jsonb else '[]' end),
      s.done and i % 9 = 0
    from generate_series(0, ${3 * count - 1}::int) i,
      lateral (select timestamptz '2026-03-31T23:59:59.999999Z' + (i % 3) * interval '1 month'
        - i * interval '1 minute' as at) c,
      lateral (select i % 10 <> 0 as done, case when i % 10 = 0 then 'failed' else 'completed' end as status) s`
  await sql`insert into tags (name) values ('spring'), ('he,"ro') on conflict do nothing`
  await sql`
    insert into image_tags (job_id, tag_id)
    select j.job_id, t.tag_id from image_process_jobs j, tags t
    where t.name in ('spring', 'he,"ro') and (j.file_size_kb + t.tag_id) % 3 = 0`
}

const placeIn = (folder: string): ExportPlace => ({ store: directoryStore(folder), location: folder })
const period = { since: { at: '2026-03-01T00:00:00Z' }, until: { at: '2026-06-01T00:00:00Z' }, limit: 50 }

onBothDatabases('an export', (database) => {
  const sql = () => database().sql
  let duckDb: DuckDb
  let folder: string
  let place: ExportPlace
  let places = 0
  const emptyPlace = () => placeIn(join(folder, `lake-${++places}`))
  const exported = (options: Partial<Parameters<typeof exportLog>[2]> = {}) =>
    exportLog(database(), place, { signal, ...options })
  const rowsOf = <Row>(columns: string, month = '*') =>
    duckDb.rows<Row>(
      `SELECT ${columns} FROM read_parquet('${place.location}/month=${month}/jobs.parquet') ORDER BY job_id`,
    )

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rmbg-test-'))
    duckDb = await openDuckDb(folder)
  })
  afterAll(async () => {
    duckDb.close()
    await rm(folder, { recursive: true })
  })
  beforeEach(async () => {
    await sql()`delete from image_process_jobs`
    for (const table of ['usage_changes', 'daily_usage', 'daily_latency'])
      await sql()`delete from ${sql()(table)}`
    await fill(sql())
    place = emptyPlace()
  })

  it('has a file for each month (UTC, by creation) with every job that has ended, and what it is', async () => {
    const { months, rows } = await exported()
    expect(months.map(({ month, rows, state }) => [month, rows, state])).toEqual([
      ['2026-03', 60, 'written'],
      ['2026-04', 60, 'written'],
      ['2026-05', 60, 'written'],
    ])
    expect(rows).toBe(180)
    const columns = `job_id::VARCHAR AS job_id, user_id, status, created_at::VARCHAR AS created_at,
      processing_time_ms AS ms, hex(content_sha256) AS content, tags, kept, review_reasons AS reasons, error_message, model,
      month`
    const expected = await sql()`
      select job_id, user_id, status,
        to_char(created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00' as created_at,
        processing_time_ms as ms, upper(encode(content_sha256, 'hex')) as content,
        to_json(array(select t.name from image_tags i join tags t on t.tag_id = i.tag_id
          where i.job_id = j.job_id order by t.name collate "C")) as tags,
        '["mask","original","processed"]'::json as kept, review -> 'reasons' as reasons, error_message,
        model_name(params) as model, to_char(created_at at time zone 'UTC', 'YYYY-MM') as month
      from image_process_jobs j order by job_id`
    expect(await rowsOf(columns)).toEqual(expected.map((row) => ({ ...row })))
  })

  it('holds no secret of a web address, and no user but by id', async () => {
    await sql()`insert into users (user_id, username, email) values ('anna', 'Anna Berg', 'anna@example.com')
      on conflict do nothing`
    await exported()
    const paths = (await rowsOf<{ source_path: string | null }>('source_path')).map((row) => row.source_path)
    expect(paths).toContain('https://host/a.jpg')
    expect(paths.join()).not.toMatch(/secret|abc/)
    expect(paths).toContain('/in/line\nbreak, "quoted"-0')
    expect(paths.filter((path) => path === null)).toHaveLength(45)
    const [columns] = await duckDb.rows<{ names: string }>(
      `SELECT string_agg(column_name, ' ') AS names FROM (DESCRIBE FROM read_parquet('${place.location}/*/*.parquet'))`,
    )
    expect(columns?.names).not.toMatch(/email|username/)
  })

  it('leaves months that have not changed, and writes those that have', async () => {
    await exported()
    expect((await exported()).months.map(({ state }) => state)).toEqual([
      'unchanged',
      'unchanged',
      'unchanged',
    ])
    await sql()`update image_process_jobs set status = 'completed', completed_at = now(), error_code = null,
      error_message = null, mask_path = 'm', processed_path = 'p'
      where job_id = (select job_id from image_process_jobs where status = 'failed' order by created_at limit 1)`
    expect((await exported()).months.map(({ state }) => state)).toEqual(['written', 'unchanged', 'unchanged'])
    await sql()`delete from image_tags where job_id = (select i.job_id from image_tags i
      join image_process_jobs j on j.job_id = i.job_id order by created_at desc limit 1)`
    expect((await exported()).months.map(({ state }) => state)).toEqual(['unchanged', 'unchanged', 'written'])
  })

  it('writes a month anew whose file is gone', async () => {
    await exported()
    await place.store.remove(['month=2026-04/jobs.parquet'])
    expect((await exported()).months.map(({ state }) => state)).toEqual(['unchanged', 'written', 'unchanged'])
    expect(await rowsOf('job_id')).toHaveLength(180)
  })

  it('keeps pruned jobs, also where their month has changed since', async () => {
    await exported()
    const pruned =
      await sql()`delete from image_process_jobs where created_at < '2026-04-01' and user_id = 'anna'
      returning job_id`
    expect((await exported()).months.map(({ state }) => state)).toEqual([
      'unchanged',
      'unchanged',
      'unchanged',
    ])
    await sql()`insert into image_tags select job_id, (select min(tag_id) from tags) from image_process_jobs
      where created_at < '2026-04-01' on conflict do nothing`
    const { months } = await exported()
    expect(months[0]).toMatchObject({ month: '2026-03', state: 'written', rows: 60, pruned: pruned.length })
    expect(await rowsOf('job_id', '2026-03')).toHaveLength(60)
    await sql()`delete from image_process_jobs`
    await exported()
    expect(await rowsOf('job_id')).toHaveLength(180)
  })

  it('exports whole months of a period', async () => {
    const options = { since: { at: '2026-04-20T00:00:00Z' }, until: { at: '2026-05-01T00:00:00Z' } }
    expect((await exported(options)).months.map(({ month }) => month)).toEqual(['2026-04'])
    expect(await readdir(place.location)).toContain('month=2026-04')
  })

  it('goes on where it was stopped, even between a month and the word of it', async () => {
    const put: string[] = []
    const store = {
      ...place.store,
      put: async (...[key, ...rest]: Parameters<typeof place.store.put>) => {
        if (put.at(-1) === 'month=2026-04/jobs.parquet') throw new Error('killed')
        put.push(key)
        return place.store.put(key, ...rest)
      },
    }
    await expect(exportLog(database(), { ...place, store }, { signal })).rejects.toThrow('killed')
    await sql()`delete from image_process_jobs where user_id = 'anna'`
    expect((await exported()).months.map(({ state, rows }) => [state, rows])).toEqual([
      ['unchanged', 60],
      ['written', 60],
      ['written', 40],
    ])
  })

  it('refuses a place that holds anything else, and touches nothing there', async () => {
    await mkdir(place.location)
    await writeFile(join(place.location, 'thesis.doc'), 'mine')
    await expect(exported()).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('thesis.doc'),
    })
    expect(await readdir(place.location)).toEqual(['thesis.doc'])
    place = emptyPlace()
    await exported()
    await writeFile(join(place.location, 'month=2026-04', 'other.parquet'), 'mine')
    await expect(exported()).rejects.toMatchObject({ code: 'REFUSED' })
    expect(await readFile(join(place.location, 'month=2026-04', 'other.parquet'), 'utf8')).toBe('mine')
  })

  it('refuses the export of another database', async () => {
    await exported()
    const owner = join(place.location, 'rmbg-owner.json')
    await writeFile(owner, JSON.stringify({ installation: 'another', database: 'postgres://elsewhere/rmbg' }))
    await expect(exported()).rejects.toMatchObject({ code: 'REFUSED' })
    await expect(exported({ takeOver: async () => {} })).resolves.toMatchObject({ rows: 180 })
  })

  it('leaves no row out at the end of a page', async () => {
    await sql()`update image_process_jobs set created_at = '2026-03-05' where created_at < '2026-03-31T23:30Z'`
    const lines: string[] = []
    for await (const page of exportedRows(sql(), '2026-03', { pageRows: 7 })) {
      const ends = page.toString().match(/[0-9a-f-]{36}$/gm) ?? []
      expect(ends.length).toBeLessThanOrEqual(7)
      lines.push(...ends)
    }
    expect(new Set(lines).size).toBe(60)
    expect(lines).toHaveLength(60)
  })

  it.each(dimensions)('answers by %s as the log itself does, with percentiles within 9%', async (by) => {
    await exported()
    const log = await collectStatistics(database(), noCache, { by, ...period })
    const lake = await withExport(place, ({ statistics }) => statistics({ by, ...period }))
    expect(Object.keys(lake)).toEqual(Object.keys(log))
    expect(lake).toMatchObject({ from: log.from, to: log.to, by, unfinished: null, store: null })
    expectSame(lake.total, log.total)
    expect(lake.groups).toHaveLength(log.groups.length)
    for (const [index, group] of log.groups.entries()) expectSame(lake.groups[index]!, group)
  })

  it('answers as before when the log is pruned, and fewer groups when fewer are wanted', async () => {
    await exported()
    const ask = () => withExport(place, ({ statistics }) => statistics({ by: 'user', ...period, limit: 2 }))
    const before = await ask()
    expect(before.groups).toHaveLength(2)
    await sql()`delete from image_process_jobs`
    expect(await ask()).toEqual(before)
    const empty = await withExport(place, ({ statistics }) =>
      statistics({ by: 'model', since: { ago: '1 days' }, until: undefined, limit: 5 }),
    )
    expect(empty).toMatchObject({ total: { jobs: 0, errorRate: null }, groups: [] })
  })
})

describeWith('RMBG_TEST_DATABASE_URL')('a log in months', () => {
  it('is exported and searched as one table is', async () => {
    const { url, drop } = await freshDatabase()
    const database = connectServer(url)
    const folder = await mkdtemp(join(tmpdir(), 'rmbg-test-'))
    onTestFinished(async () => {
      await database.close()
      await drop()
      await rm(folder, { recursive: true })
    })
    await applyMigrations(database)
    await fill(database.sql, 20)
    const before = await exportLog(database, placeIn(join(folder, 'before')), { signal })
    await partitionLog(database)
    const after = await exportLog(database, placeIn(join(folder, 'after')), { signal })
    const rowsOf = ({ months }: typeof before) => months.map(({ month, rows }) => [month, rows])
    expect(rowsOf(after)).toEqual(rowsOf(before))
    // In a month that was made ahead.
    const later = await makeJob(database.sql, { ageDays: -40, tags: ['later'] })
    const { months } = await exportLog(database, placeIn(join(folder, 'after')), { signal })
    expect(months.map(({ state, rows }) => [state, rows])).toEqual([
      ...Array(3).fill(['unchanged', 20]),
      ['written', 1],
    ])
    const [found] = (await queryJobs(database.sql, { search: 'later' }, { limit: 5 })).jobs
    expect(found).toMatchObject({ jobId: later, tags: ['later'] })
  })
})

function expectSame(lake: Usage, log: Usage): void {
  const { p25Ms, p50Ms, p75Ms, p95Ms, meanMs, errorRate, ...counts } = log
  expect(lake).toMatchObject(counts)
  expect(Object.keys(lake).sort()).toEqual(Object.keys(log).sort())
  for (const name of ['meanMs', 'errorRate'] as const) {
    if (log[name] === null) expect(lake[name]).toBeNull()
    else expect(lake[name]).toBeCloseTo(log[name], 6)
  }
  for (const name of ['p25Ms', 'p50Ms', 'p75Ms', 'p95Ms'] as const) {
    const known = log[name]
    if (known === null) continue
    expect(lake[name]).not.toBeNull()
    expect(Math.abs(lake[name]! / known - 1)).toBeLessThan(0.09)
  }
}
