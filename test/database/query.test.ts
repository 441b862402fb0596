import { beforeAll, describe, expect, it } from 'vitest'
import type { JobFilter } from '../../src/database/filters.ts'
import { similarTags } from '../../src/database/filters.ts'
import { findJobs, type Job, jobVersion, queryJobs } from '../../src/database/query.ts'
import { existingJobs, listTags, tagJobs, untagJobs } from '../../src/database/tags.ts'
import { makeJob } from '../support/jobs.ts'
import { onBothDatabases } from './databases.ts'

/** 300 jobs, three on each moment, the moments 100 microseconds apart: a Date would take ten of them for one. */
async function fill(sql: Parameters<typeof queryJobs>[0]): Promise<void> {
  await sql`delete from image_process_jobs`
  await sql`delete from tags`
  await sql`
    insert into image_process_jobs (job_id, user_id, original_path, mask_path, processed_path, status, created_at,
      completed_at, file_size_kb, params, error_code, error_message, source_path, needs_review)
    select ('01900000-0000-7000-8000-' || lpad(to_hex((n * 7919) % 65536), 12, '0'))::uuid,
      (array['anna', 'bob', 'O''Brien; drop table users'])[1 + n % 3], 'original/' || n, 'm', 'p',
      case when n % 10 = 0 then 'failed' when n % 25 = 1 then 'pending' when n % 25 = 2 then 'processing' else 'completed' end,
      at, at, n * 100,
      jsonb_build_object('threshold', 0.9, 'model', jsonb_build_object('name', case when n % 7 = 0 then 'x' else 'y' end)),
      case when n % 20 = 0 then 'INPUT_EMPTY' when n % 10 = 0 then 'INPUT_CORRUPT' end,
      case when n % 10 = 0 then 'The file is 100% wrong_' || n || '.' end,
      '/p/100%/IMG_' || n || case when n % 4 = 0 then '-hero' else '' end || '.jpg',
      n % 6 = 0
    from (select n, timestamptz '2026-03-01 00:00:00.000100Z' + (n / 3) * interval '100 microseconds' as at
      from generate_series(0, 299) n) made`
  await sql`insert into tags (name) values ('spring'), ('Sale 50%'), ('50 a')`
  await sql`
    insert into image_tags select job_id, tag_id from image_process_jobs, tags
    where (name = 'spring' and file_size_kb % 200 = 0) or (name = 'Sale 50%' and file_size_kb % 500 = 0)`
}

async function all(sql: Parameters<typeof queryJobs>[0], filter: JobFilter, limit: number): Promise<Job[]> {
  const jobs: Job[] = []
  let after: string | undefined
  do {
    const page = await queryJobs(sql, filter, { limit, ...(after !== undefined && { after }) })
    expect(page.jobs.length).toBeLessThanOrEqual(limit)
    jobs.push(...page.jobs)
    after = page.nextCursor
  } while (after !== undefined)
  return jobs
}

onBothDatabases('a query', (database) => {
  let everything: Job[]
  beforeAll(async () => {
    await fill(database().sql)
    everything = await all(database().sql, {}, 1000)
  })

  it('sees every job once, newest first, whatever the size of its pages', async () => {
    expect(everything).toHaveLength(300)
    const keys = everything.map(({ createdAt, jobId }) => `${createdAt} ${jobId}`)
    expect(keys).toEqual([...keys].sort().reverse())
    for (const limit of [1, 7, 100]) {
      expect((await all(database().sql, {}, limit)).map(({ jobId }) => jobId)).toEqual(
        everything.map(({ jobId }) => jobId),
      )
    }
  })

  it('tells times to the microsecond', () => {
    expect(everything.at(-1)!.createdAt).toBe('2026-03-01T00:00:00.000100Z')
    expect(everything[0]!.createdAt).toBe('2026-03-01T00:00:00.010000Z')
  })

  const number = (job: Job) => job.fileSizeKb! / 100
  it.each<[string, JobFilter, (n: number) => boolean]>([
    ['user', { user: 'anna' }, (n) => n % 3 === 0],
    ['a user with a strange name', { user: "O'Brien; drop table users" }, (n) => n % 3 === 2],
    ['status', { statuses: ['failed'] }, (n) => n % 10 === 0],
    [
      'one of several statuses',
      { statuses: ['pending', 'processing'] },
      (n) => n % 10 !== 0 && [1, 2].includes(n % 25),
    ],
    ['since', { since: { at: '2026-03-01T00:00:00.005100Z' } }, (n) => Math.floor(n / 3) >= 50],
    ['until', { until: { at: '2026-03-01T00:00:00.005100Z' } }, (n) => Math.floor(n / 3) < 50],
    ['an age', { since: { ago: '100 years' } }, () => true],
    ['a tag', { tags: ['spring'] }, (n) => n % 2 === 0],
    ['all of several tags', { tags: ['spring', 'Sale 50%'] }, (n) => n % 10 === 0],
    ['none of these tags', { exceptTags: ['spring', 'Sale 50%'] }, (n) => n % 2 !== 0 && n % 5 !== 0],
    ['a tag spelt wrong', { tagLike: 'sprig' }, (n) => n % 2 === 0],
    ['a tag with a percent sign', { tagLike: '50%' }, (n) => n % 5 === 0],
    ['a tag that nothing reads like', { tagLike: 'zzz' }, () => false],
    ['params', { params: { threshold: 0.9, model: { name: 'x' } } }, (n) => n % 7 === 0],
    ['params of another kind', { params: { threshold: '0.9' } }, () => false],
    ['size', { largerThanKb: 20_000 }, (n) => n > 200],
    ['a glob', { name: '*-hero.jpg' }, (n) => n % 4 === 0],
    ['a question mark', { name: 'IMG_?.jpg' }, (n) => n < 10 && n % 4 !== 0],
    ['an underscore, which is no wildcard', { name: 'IMG_1_.jpg' }, () => false],
    ['a percent sign, which is none either', { name: '100%' }, () => false],
    ['an error code', { error: 'INPUT_EMPTY' }, (n) => n % 20 === 0],
    ['words of an error', { error: '100% WRONG_1' }, (n) => n % 10 === 0 && String(n).startsWith('1')],
    ['words with a wildcard in them', { error: '100%wrong' }, () => false],
    ['what needs review', { needsReview: true }, (n) => n % 6 === 0],
    [
      'several filters together',
      { user: 'anna', tags: ['spring'], needsReview: true, largerThanKb: 10_000, name: '*hero*' },
      (n) => n % 12 === 0 && n > 100,
    ],
  ])('filters by %s', async (_, filter, expected) => {
    const found = await all(database().sql, filter, 40)
    expect(found.map(number)).toEqual(everything.map(number).filter(expected))
  })

  it('names a tag that is like the one that does not exist', async () => {
    await expect(queryJobs(database().sql, { tags: ['sprung'] }, { limit: 1 })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('spring'),
    })
  })

  it('refuses a cursor of another filter, and a damaged one', async () => {
    const { sql } = database()
    const { nextCursor } = await queryJobs(sql, { user: 'anna' }, { limit: 5 })
    for (const [filter, after] of [
      [{ user: 'bob' }, nextCursor!],
      [{}, nextCursor!],
      [{ user: 'anna' }, nextCursor!.slice(3)],
      [{ user: 'anna' }, 'rubbish'],
      [{ user: 'anna' }, Buffer.from('{"filter":1}').toString('base64url')],
    ] as const) {
      await expect(queryJobs(sql, filter, { limit: 5, after })).rejects.toMatchObject({ code: 'USAGE' })
    }
    // The order in which filters are given means nothing.
    const both = await queryJobs(sql, { user: 'anna', needsReview: true }, { limit: 5 })
    await queryJobs(sql, { needsReview: true, user: 'anna' }, { limit: 5, after: both.nextCursor! })
  })

  it('finds jobs by id, with their tags', async () => {
    const [job] = everything
    const found = await findJobs(database().sql, [job!.jobId, '01900000-0000-7000-8000-ffffffffffff'])
    expect(found).toEqual([job])
  })

  describe('of one job has a version', () => {
    it('that any change to it changes, and nothing else', async () => {
      const { sql } = database()
      const id = await makeJob(sql)
      const versions = [await jobVersion(sql, id)]
      const look = async () => versions.push(await jobVersion(sql, id))
      await makeJob(sql, { tags: ['other'] })
      expect(await jobVersion(sql, id)).toBe(versions[0])
      await tagJobs(sql, [id], ['new'])
      await look()
      await tagJobs(sql, [id], ['newer'])
      await look()
      await untagJobs(sql, [id], ['new'])
      await look()
      await sql`update image_process_jobs set attempt = 2 where job_id = ${id}`
      await look()
      expect(new Set(versions).size).toBe(versions.length)
      await sql`delete from image_process_jobs where job_id = ${id}`
      expect(await jobVersion(sql, id)).toBeUndefined()
    })
  })
})

onBothDatabases('tags', (database) => {
  it('are listed by name with how many jobs have them, and found when spelt almost so', async () => {
    const { sql } = database()
    await sql`delete from tags`
    const [first, second] = [
      await makeJob(sql, { tags: ['spring', 'hero'] }),
      await makeJob(sql, { tags: ['spring'] }),
    ]
    expect(await listTags(sql, { limit: 10, after: '' })).toEqual([
      { name: 'hero', jobs: 1 },
      { name: 'spring', jobs: 2 },
    ])
    expect(await listTags(sql, { limit: 10, after: 'hero' })).toEqual([{ name: 'spring', jobs: 2 }])
    expect((await similarTags(sql, 'sprin')).map(({ name }) => name)).toEqual(['spring'])
    expect(await untagJobs(sql, [first!, second!], ['spring', 'none'])).toBe(2)
    expect(await untagJobs(sql, [first!, second!], ['spring'])).toBe(0)
    const absent = crypto.randomUUID()
    const many = Array.from({ length: 70_000 }, () => absent)
    expect(await existingJobs(sql, [...many, first!])).toEqual(new Set([first]))
    await tagJobs(sql, [...many, first!], ['mass'])
    expect(await untagJobs(sql, [...many, first!], ['mass'])).toBe(1)
    await sql`delete from tags where name = 'mass'`
    expect(await existingJobs(sql, [first!, absent])).toEqual(new Set([first]))
    await tagJobs(sql, [absent], ['late']) // of a job that was pruned meanwhile
    expect(await listTags(sql, { limit: 10, after: 'i' })).toContainEqual({ name: 'late', jobs: 0 })
  })
})
