/** Finding jobs: every filter against a model of it in JavaScript, and pages that show each job once. */
import type postgres from 'postgres'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/contract.ts'
import type { JobFilter } from '../../src/database/filters.ts'
import { claimJob, completeJob } from '../../src/database/jobs.ts'
import { renewLeases } from '../../src/database/leases.ts'
import { findJobs, type Job, jobVersion } from '../../src/database/query.ts'
import { tagJobs, untagJobs } from '../../src/database/tags.ts'
import { queryJobs } from '../../src/jobs/pages.ts'
import { completion, request } from '../support/claims.ts'
import { makeOpenJob } from '../support/jobs.ts'
import { onBothDatabases } from './databases.ts'

const tagNames = ['spring', 'hero', '100%', 'a_b', 'axb', 'back\\slash', "o'clock; drop table tags; --"]

/** 300 jobs, three at a time created in the same microsecond, 100 microseconds apart; ten of them just now. */
async function fill(sql: postgres.Sql): Promise<void> {
  await sql`
    with made as (
    select md5(i::text)::uuid as job_id, (array['anna', 'ben', 'o''hara'])[1 + i % 3] as user_id, s.status, c.created_at,
      case when s.status = 'completed' then c.created_at + interval '1 second' end as completed_at, 'original/' || i as original_path,
      'mask/' || i as mask_path, 'processed/' || i as processed_path, i * 20 as file_size_kb,
      jsonb_build_object('model', jsonb_build_object('name', (array['silhouette', 'rmbg-2.0'])[1 + i % 2]),
        'threshold', (i % 5) / 10.0, 'refine', i % 3 = 0, 'sizes', jsonb_build_array(i % 4, 'x')) as params,
      (array['/in/50%-off-', '/in/a_b-', '/in/axb-', 'C:\\shots\\hero-', '/in/deep/', null])[1 + i % 6] || i || '.jpg' as source_path,
      case when s.status = 'failed' then (array['INPUT_CORRUPT', 'INPUT_EMPTY'])[1 + i / 10 % 2] end as error_code,
      case when s.status = 'failed'
        then (array['It is 50% of a file.', 'No a_b in it.', 'No axb in it.', 'At C:\\new.'])[1 + i / 10 % 4] end as error_message,
      case when s.status = 'completed' then (array[true, false, null])[1 + i % 7] end as needs_review
    from generate_series(0, 299) i,
      lateral (select (array['failed', 'pending', 'processing'])[1 + i % 10] as status) few,
      lateral (select coalesce(few.status, 'completed') as status) s,
      lateral (select case when i < 290 then timestamptz '2026-11-01T00:00:00.000007Z' + i / 3 * interval '100 microseconds'
        else now() - interval '1 hour' end as created_at) c
    ), ended as (
      insert into image_process_jobs (job_id, user_id, status, created_at, completed_at, original_path, mask_path,
        processed_path, file_size_kb, params, source_path, error_code, error_message, needs_review)
      select * from made where status in ('completed', 'failed')
      returning 1
    )
    insert into open_jobs (job_id, user_id, created_at, original_path, file_size_kb, params, source_path, claim_id, owner,
      lease_until)
    select job_id, user_id, created_at, original_path, file_size_kb, params, source_path, claim.claim_id, claim.owner,
      claim.lease_until
    from made left join (values ('processing', gen_random_uuid(), 'somebody', now())) claim
      (status, claim_id, owner, lease_until) on claim.status = made.status
    where made.status in ('pending', 'processing')`
  for (const [index, tag] of tagNames.entries()) {
    const jobs = await sql`
      select md5(i::text)::uuid as id from generate_series(0, 299) i where i % ${index + 3}::int = 0`
    await tagJobs(
      sql,
      jobs.map(({ id }) => id),
      [tag],
    )
  }
}

const newestFirst = (a: Job, b: Job): number =>
  a.createdAt === b.createdAt ? (a.jobId < b.jobId ? 1 : -1) : a.createdAt < b.createdAt ? 1 : -1

/** What pg_trgm calls similar, from its manual. */
function similarity(a: string, b: string): number {
  const trigrams = (text: string) =>
    new Set(
      (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).flatMap((word) =>
        Array.from({ length: word.length + 1 }, (_, start) => `  ${word} `.slice(start, start + 3)),
      ),
    )
  const both = [trigrams(a), trigrams(b)] as const
  const common = [...both[0]].filter((trigram) => both[1].has(trigram)).length
  return common === 0 ? 0 : common / (both[0].size + both[1].size - common)
}

const readsLike = (text: string) => (job: Job) =>
  job.tags.some((tag) => similarity(tag, text) >= 0.3 || tag.toLowerCase().includes(text.toLowerCase()))

const middle = '2026-11-01T00:00:00.005007Z'
type Model = (job: Job) => boolean

/** Every filter, as the program gets it and as it is meant. */
const filters: [title: string, filter: JobFilter, model: Model][] = [
  ['--user', { user: 'anna' }, (job) => job.userId === 'anna'],
  ['--user with a quote', { user: "o'hara" }, (job) => job.userId === "o'hara"],
  ...['pending', 'processing', 'completed', 'failed'].map((status): [string, JobFilter, Model] => [
    `--status ${status}`,
    { statuses: [status] },
    (job) => job.status === status,
  ]),
  [
    '--status twice',
    { statuses: ['failed', 'pending'] },
    (job) => job.status === 'failed' || job.status === 'pending',
  ],
  ['--since a microsecond', { since: { at: middle } }, (job) => job.createdAt >= middle],
  ['--until a microsecond', { until: { at: middle } }, (job) => job.createdAt < middle],
  ['--since an age', { since: { ago: '1 days' } }, (job) => job.createdAt > '2026-11-02'],
  ['--until an age', { until: { ago: '2 hours' } }, (job) => job.createdAt < '2026-11-02'],
  ['--tag', { tags: ['spring'] }, (job) => job.tags.includes('spring')],
  [
    '--tag twice: all of them',
    { tags: ['spring', 'hero'] },
    (job) => job.tags.includes('spring') && job.tags.includes('hero'),
  ],
  ['no such tag', { exceptTags: ['spring'] }, (job) => !job.tags.includes('spring')],
  ['--tag with a wildcard', { tags: ['a_b'] }, (job) => job.tags.includes('a_b')],
  ['--tag-like with a letter missing', { tagLike: 'sprng' }, readsLike('sprng')],
  ['--tag-like with a part', { tagLike: 'ERO' }, readsLike('ero')],
  ['--tag-like nothing', { tagLike: 'zzz' }, () => false],
  ['--param', { params: { refine: true } }, (job) => paramsOf(job).refine],
  ['--params, a figure', { params: { threshold: 0.4 } }, (job) => paramsOf(job).threshold === 0.4],
  [
    '--params, nested',
    { params: { model: { name: 'rmbg-2.0' } } },
    (job) => paramsOf(job).model.name === 'rmbg-2.0',
  ],
  ['--params, in a list', { params: { sizes: [2] } }, (job) => paramsOf(job).sizes.includes(2)],
  ['--larger-than', { largerThanBytes: 4096 * 1024 }, (job) => job.fileSizeKb! > 4096],
  ['--name, whole', { name: 'hero-9.jpg' }, (job) => job.sourceName === 'hero-9.jpg'],
  ['--name hero-*', { name: 'hero-*' }, (job) => /^hero-/.test(job.sourceName ?? '')],
  ['--name ?.jpg', { name: '?.jpg' }, (job) => /^.\.jpg$/.test(job.sourceName ?? '')],
  ['--name with %', { name: '50%*' }, (job) => /^50%/.test(job.sourceName ?? '')],
  ['--name with _', { name: 'a_b*' }, (job) => /^a_b/.test(job.sourceName ?? '')],
  ['--name without the folder', { name: 'in*' }, () => false],
  ['--error CODE', { error: 'INPUT_EMPTY' }, (job) => job.errorCode === 'INPUT_EMPTY'],
  ['--error text', { error: 'no A' }, (job) => /no a/i.test(job.errorMessage ?? '')],
  ['--error with %', { error: '50%' }, (job) => (job.errorMessage ?? '').includes('50%')],
  ['--error with _', { error: 'a_b' }, (job) => (job.errorMessage ?? '').includes('a_b')],
  ['--error with \\', { error: 'C:\\' }, (job) => (job.errorMessage ?? '').includes('C:\\')],
  ['--error that is a word of JavaScript', { error: 'constructor' }, () => false],
  ['--needs-review', { needsReview: true }, (job) => job.needsReview === true],
]
// biome-ignore lint/suspicious/noExplicitAny: parameters are whatever the test stored
const paramsOf = (job: Job): any => job.params

onBothDatabases('a query', (database) => {
  let jobs: Job[]
  const sql = () => database().sql
  const ids = async (filter: JobFilter) =>
    (await queryJobs(sql(), filter, { limit: 1000 })).jobs.map(({ jobId }) => jobId)
  const expected = (model: Model) => jobs.filter(model).map(({ jobId }) => jobId)

  beforeAll(async () => {
    await fill(sql())
    const rows = await sql()`select job_id from all_jobs`
    jobs = (
      await findJobs(
        sql(),
        rows.map((row) => row.job_id),
      )
    ).sort(newestFirst)
    expect(jobs).toHaveLength(300)
  })

  it('shows all there is to know of a job, times in UTC with microseconds', () => {
    const job = jobs.find(({ originalPath }) => originalPath === 'original/3')
    expect(job).toMatchObject({
      jobId: 'eccbc87e-4b5c-e2fe-2830-8fd9f2a7baf3',
      userId: 'anna',
      status: 'completed',
      sourceName: 'hero-3.jpg',
      sourcePath: 'C:\\shots\\hero-3.jpg',
      createdAt: '2026-11-01T00:00:00.000107Z',
      completedAt: '2026-11-01T00:00:01.000107Z',
      fileSizeKb: 60,
      model: 'rmbg-2.0',
      params: { threshold: 0.3, refine: true },
      errorCode: null,
      tags: ['spring'],
    })
  })

  it('without a filter finds all jobs, newest first, those of one microsecond by id', async () => {
    expect(await ids({})).toEqual(jobs.map(({ jobId }) => jobId))
  })

  it.each(filters)('with %s finds what is meant', async (title, filter, model) => {
    const wanted = expected(model)
    const isMeantToBeEmpty = /nothing|word of|without/.test(title)
    expect(wanted.length > 0, 'the model finds something').toBe(!isMeantToBeEmpty)
    expect(wanted.length, 'the model leaves something out').toBeLessThan(300)
    expect(await ids(filter)).toEqual(wanted)
  })

  it('with several filters finds what all of them find', async () => {
    for (const [index, [first, one, oneModel]] of filters.entries()) {
      for (const [second, two, twoModel] of filters.slice(index + 1)) {
        if (Object.keys(one).some((key) => key in two)) continue
        const wanted = expected((job) => oneModel(job) && twoModel(job))
        expect(await ids({ ...one, ...two }), `${first} and ${second}`).toEqual(wanted)
      }
    }
    const all = Object.assign({}, ...filters.map(([, filter]) => filter))
    expect(await ids(all)).toEqual([])
  })

  it.each(['%', '_', '\\'])('takes %s literally wherever it is looked for', async (wildcard) => {
    expect(await ids({ name: `*${wildcard}*` })).toEqual(
      expected((job) => (job.sourceName ?? '').includes(wildcard)),
    )
    expect(await ids({ error: wildcard })).toEqual(
      expected((job) => (job.errorMessage ?? '').includes(wildcard)),
    )
    expect(await ids({ tagLike: wildcard })).toEqual(
      expected((job) => job.tags.some((tag) => tag.includes(wildcard))),
    )
  })

  it.each(["'; drop table image_tags; --", "' or true --", "\\'; select 1; --", '$1', '") or ("x'])(
    'takes %s as text, not as SQL',
    async (text) => {
      const instants = { since: { at: text } }
      for (const filter of [{ user: text }, { name: text }, { error: text }, { params: { [text]: text } }]) {
        expect(await ids(filter), JSON.stringify(filter)).toEqual([])
      }
      expect(await ids({ statuses: ['failed', text] })).toEqual(expected((job) => job.status === 'failed'))
      expect(await ids({ tagLike: text })).toEqual(expected(readsLike(text)))
      await expect(ids({ tags: [text] })).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(ids(instants)).rejects.toMatchObject({ code: 'DATABASE_ERROR' })
      expect(await ids({})).toHaveLength(300)
    },
  )

  it('names the tag that does not exist, and the one that may be meant', async () => {
    await expect(ids({ tags: ['hero', 'sprng'] })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'There is no tag "sprng".',
      hint: expect.stringContaining('Did you mean "spring"?'),
    })
  })

  it('finds jobs by all tags that read alike, however many', async () => {
    const many = Array.from({ length: 80 }, (_, index) => `series-${index}`)
    const [last] = jobs.slice(-1)
    for (const tag of many) await tagJobs(sql(), [jobs[many.indexOf(tag)]!.jobId], [tag])
    expect(await ids({ tagLike: 'series' })).toEqual(jobs.slice(0, 80).map(({ jobId }) => jobId))
    expect(await ids({ tagLike: 'series', name: last!.sourceName! })).toEqual([])
    await sql()`delete from tags where name like 'series-%'`
  })

  it('tells files apart by their bytes, of which file_size_kb counts only every 1024th', async () => {
    const [smaller, larger] = jobs
    for (const [job, bytes] of [
      [smaller!, 4_000_000],
      [larger!, 4_000_001],
    ] as const) {
      await sql()`
        update image_process_jobs set source_size = ${bytes}, file_size_kb = ${Math.ceil(bytes / 1024)}
        where job_id = ${job.jobId}`
    }
    const found = await ids({ largerThanBytes: 4_000_000 })
    expect(found).toContain(larger!.jobId)
    expect(found).not.toContain(smaller!.jobId)
    for (const { jobId, fileSizeKb } of [smaller!, larger!]) {
      await sql()`
        update image_process_jobs set source_size = null, file_size_kb = ${fileSizeKb} where job_id = ${jobId}`
    }
  })

  it('takes a size that no file has', async () => {
    expect(await ids({ largerThanBytes: 2 ** 50 })).toEqual([])
  })

  describe('page by page', () => {
    const walk = async (filter: JobFilter, limit: number) => {
      const seen: string[] = []
      let after: string | undefined
      do {
        const page = await queryJobs(sql(), filter, { limit, ...(after !== undefined && { after }) })
        expect(page.jobs.length).toBeLessThanOrEqual(limit)
        seen.push(...page.jobs.map(({ jobId }) => jobId))
        after = page.nextCursor
      } while (after !== undefined)
      return seen
    }

    it.each([1, 7, 100, 300, 301])('of %i shows every job once, in order', async (limit) => {
      expect(await walk({}, limit)).toEqual(jobs.map(({ jobId }) => jobId))
    })

    it('goes through any filter', async () => {
      for (const [title, filter, model] of filters) {
        expect(await walk(filter, 7), title).toEqual(expected(model))
      }
    })

    it('shows no job twice and skips none while others are added and go', async () => {
      const first = await queryJobs(sql(), {}, { limit: 100 })
      const added = await makeOpenJob(sql())
      const rest = await queryJobs(sql(), {}, { limit: 1000, after: first.nextCursor! })
      expect([...first.jobs, ...rest.jobs].map(({ jobId }) => jobId)).toEqual(jobs.map(({ jobId }) => jobId))
      // Where a page ended is a place, not a job: that may be gone.
      await sql()`delete from open_jobs where job_id = ${added}`
    })

    it('ends with the last job', async () => {
      expect((await queryJobs(sql(), {}, { limit: 300 })).nextCursor).toBeUndefined()
      expect(await queryJobs(sql(), { user: 'nobody' }, { limit: 1 })).toEqual({ jobs: [] })
    })

    it('refuses the cursor of another filter, and takes it again for its own', async () => {
      const { nextCursor } = await queryJobs(sql(), { user: 'anna', statuses: ['completed'] }, { limit: 5 })
      const after = nextCursor!
      for (const other of [{}, { user: 'ben', statuses: ['completed'] }, { user: 'anna' }]) {
        await expect(queryJobs(sql(), other, { limit: 5, after })).rejects.toMatchObject({
          code: 'USAGE',
          message: 'The cursor belongs to a query with other filters.',
        })
      }
      const inOtherOrder = { statuses: ['completed'], user: 'anna' }
      expect((await queryJobs(sql(), inOtherOrder, { limit: 5, after })).jobs).toHaveLength(5)
    })

    it('refuses a cursor that is damaged anywhere', async () => {
      const cursor = (await queryJobs(sql(), {}, { limit: 5 })).nextCursor!
      const damaged = [...cursor].map(
        (character, index) =>
          cursor.slice(0, index) + (character === 'A' ? 'B' : 'A') + cursor.slice(index + 1),
      )
      const forged = Buffer.from(JSON.stringify({ createdAt: 'now', jobId: 'x' })).toString('base64url')
      for (const after of [...damaged, cursor.slice(1), cursor.slice(0, -1), `${cursor}A`, '', '%', forged]) {
        await expect(queryJobs(sql(), {}, { limit: 5, after }), after).rejects.toMatchObject({
          code: 'USAGE',
          message: expect.stringContaining('The cursor'),
        })
      }
    })
  })

  it('by id leaves out ids that no job has', async () => {
    const [one, , three] = jobs
    const found = await findJobs(sql(), [three!.jobId, crypto.randomUUID(), one!.jobId])
    expect(found.map(({ jobId }) => jobId)).toEqual([one!.jobId, three!.jobId])
  })
})

onBothDatabases('the version of a job', (database: () => Database) => {
  it('changes with the row, with its end and with its tags', async () => {
    const { sql } = database()
    const wanted = request()
    const job = { job_id: wanted.jobId }
    const version = () => jobVersion(sql, job.job_id)
    expect(await version()).toBeUndefined()
    await claimJob(sql, wanted)
    const versions = [await version()]
    await renewLeases(sql, wanted.run)
    versions.push(await version())
    await completeJob(sql, completion(job.job_id, wanted.run))
    versions.push(await version())
    await tagJobs(sql, [job.job_id], ['first'])
    versions.push(await version())
    await tagJobs(sql, [job.job_id], ['second'])
    versions.push(await version())
    await untagJobs(sql, [job.job_id], ['first'])
    versions.push(await version())
    await tagJobs(sql, [job.job_id], ['first'])
    versions.push(await version())
    expect(new Set(versions).size).toBe(versions.length)
    expect(await version()).toBe(versions.at(-1))
    await sql`delete from image_process_jobs where job_id = ${job.job_id}`
    expect(await version()).toBeUndefined()
  })
})
