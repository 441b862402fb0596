/** What people say of cut-outs, on both databases: kept for good, the later one counts. */
import { expect, it } from 'vitest'
import { findDoubtfulPage, findDoubtfulPlaces } from '../../src/database/doubt.ts'
import { findJobPage, findJobs } from '../../src/database/query.ts'
import { judge, verdictCounts, verdictsOf, verdictsSince } from '../../src/database/verdicts.ts'
import { anyDecisions, chooseVersion, decisionOn, versionsOf } from '../../src/database/versions.ts'
import { makeJob } from '../support/jobs.ts'
import { onBothDatabases } from './databases.ts'

onBothDatabases('verdicts', (database) => {
  const by = 'anna'
  const period = { from: '2000-01-01', to: '2100-01-01' }

  it('stand with the job, the later one in the place of the earlier, which stays', async () => {
    const { sql } = database()
    const jobId = await makeJob(sql)
    const before = await verdictCounts(sql, period)
    const { last } = await verdictsSince(sql, undefined)
    expect(await judge(sql, [{ jobId, verdict: 'rejected', by, note: 'halo' }])).toEqual(['stands'])
    expect(await judge(sql, [{ jobId, verdict: 'accepted', by: 'ben' }])).toEqual(['stands'])
    // A file of verdicts comes late, and twice.
    const late = { jobId, verdict: 'rejected' as const, by: 'carl', at: '2020-01-01T00:00:00Z' }
    expect(await judge(sql, [late])).toEqual(['older'])
    expect(await judge(sql, [late])).toEqual(['known'])
    expect(await findJobs(sql, [jobId])).toMatchObject([
      { verdict: 'accepted', verdictBy: 'ben', verdictNote: null, supersededBy: null },
    ])
    expect((await verdictsOf(sql, jobId)).map(({ verdict, by, note }) => [verdict, by, note])).toEqual([
      ['accepted', 'ben', null],
      ['rejected', 'anna', 'halo'],
      ['rejected', 'carl', null],
    ])
    expect((await verdictsSince(sql, last)).verdicts).toContainEqual(
      expect.objectContaining({ jobId, verdict: 'accepted' }),
    )
    const { accepted, rejected } = await verdictCounts(sql, period)
    expect([accepted - before.accepted, rejected - before.rejected]).toEqual([1, 0])
  })

  it('are taken back, and no longer count', async () => {
    const { sql } = database()
    const jobId = await makeJob(sql)
    const before = await verdictCounts(sql, period)
    await judge(sql, [{ jobId, verdict: 'accepted', by }])
    await judge(sql, [{ jobId, verdict: 'open', by }])
    expect(await findJobs(sql, [jobId])).toMatchObject([{ verdict: null, verdictBy: null }])
    expect(await verdictCounts(sql, period)).toEqual(before)
    expect(await verdictsOf(sql, jobId)).toHaveLength(2)
  })

  it('of many people at once are all kept', async () => {
    const { sql } = database()
    const ids = await Promise.all(Array.from({ length: 5 }, () => makeJob(sql)))
    const people = Array.from({ length: 6 }, (_, number) => `person ${number}`)
    await Promise.all(
      people.map((person, number) =>
        judge(
          sql,
          (number % 2 ? ids : [...ids].reverse()).map((jobId) => ({
            jobId,
            verdict: number % 2 ? 'accepted' : 'rejected',
            by: person,
          })),
        ),
      ),
    )
    for (const jobId of ids) {
      const said = await verdictsOf(sql, jobId)
      expect(said.map(({ by }) => by).sort()).toEqual(people)
      const [job] = await findJobs(sql, [jobId])
      expect([job?.verdict, job?.verdictAt]).toEqual([said[0]?.verdict, said[0]?.at])
    }
  })

  it('are of completed jobs only, and of no time to come', async () => {
    const { sql } = database()
    const [failed, done] = [await makeJob(sql, { status: 'failed' }), await makeJob(sql)]
    const at = '2999-01-01T00:00:00Z'
    const unknown = '01900000-0000-7000-8000-000000000000'
    const judged = [failed, unknown, done].map((jobId) => ({ jobId, verdict: 'accepted' as const, by, at }))
    expect(await judge(sql, judged)).toEqual(['unknown', 'unknown', 'stands'])
    expect(await judge(sql, [{ jobId: done, verdict: 'rejected', by }])).toEqual(['stands'])
  })

  it('choose jobs', async () => {
    const { sql } = database()
    const user = crypto.randomUUID()
    const ids = [await makeJob(sql, { user }), await makeJob(sql, { user }), await makeJob(sql, { user })]
    const [accepted, rejected, open] = ids as [string, string, string]
    await judge(sql, [
      { jobId: accepted, verdict: 'accepted', by },
      { jobId: rejected, verdict: 'rejected', by },
      { jobId: open, verdict: 'accepted', by, at: '2020-01-01T00:00:00Z' },
      { jobId: open, verdict: 'open', by },
    ])
    const found = async (...verdicts: ('accepted' | 'rejected' | 'none')[]) =>
      (await findJobPage(sql, { user, verdicts }, { limit: 10 })).jobs.map(({ jobId }) => jobId).sort()
    expect(await found('accepted')).toEqual([accepted])
    expect(await found('rejected')).toEqual([rejected])
    expect(await found('none')).toEqual([open])
    expect(await found('none', 'rejected')).toEqual([rejected, open].sort())
    expect(await found('none', 'rejected', 'accepted')).toEqual([...ids].sort())
  })
})

onBothDatabases('versions', (database) => {
  const by = 'anna'

  it('of one cut-out: one counts, and every other can be put back', async () => {
    const { sql } = database()
    const [first, second, third] = [await makeJob(sql), await makeJob(sql), await makeJob(sql)]
    expect(await decisionOn(sql, first)).toEqual({ jobId: first, verdict: 'open' })
    await chooseVersion(sql, { of: first, jobId: second, how: 'redo', by })
    await chooseVersion(sql, { of: second, jobId: third, how: 'brush', by })
    await judge(sql, [{ jobId: third, verdict: 'accepted', by }])
    expect(await anyDecisions(sql)).toBe(true)
    for (const jobId of [first, second, third])
      expect(await decisionOn(sql, jobId)).toEqual({ jobId: third, verdict: 'accepted' })
    expect(
      (await versionsOf(sql, second)).map(({ jobId, how, isCurrent }) => [jobId, how, isCurrent]),
    ).toEqual([
      [third, 'brush', true],
      [second, 'redo', false],
      [first, 'run', false],
    ])
    const supersededBy = async () =>
      (await findJobs(sql, [third, second, first])).map((job) => job.supersededBy).sort()
    expect(await supersededBy()).toEqual([null, third, third].sort())
    await chooseVersion(sql, { of: third, jobId: first, how: 'redo', by })
    expect(await decisionOn(sql, third)).toEqual({ jobId: first, verdict: 'open' })
    // The one that counts is deleted: the others are jobs again as every other.
    await sql`delete from image_process_jobs where job_id = ${first}`
    expect(await supersededBy()).toEqual([null, null])
  })

  it('chosen by many at once leave one that counts', async () => {
    const { sql } = database()
    const first = await makeJob(sql)
    const others = await Promise.all(Array.from({ length: 4 }, () => makeJob(sql)))
    await Promise.all(others.map((jobId) => chooseVersion(sql, { of: first, jobId, how: 'redo', by })))
    const versions = await versionsOf(sql, first)
    expect(versions).toHaveLength(5)
    expect(versions.filter(({ isCurrent }) => isCurrent)).toHaveLength(1)
  })
})

onBothDatabases('what is to be reviewed', (database) => {
  it('comes by doubt, then by time, page by page, in the version that counts', async () => {
    const { sql } = database()
    const user = crypto.randomUUID()
    const make = async (ageDays: number, review?: object) => {
      const jobId = await makeJob(sql, { user, ageDays })
      if (review)
        await sql`update image_process_jobs set review = ${sql.json(review as never)}, needs_review = true
          where job_id = ${jobId}`
      return jobId
    }
    const empty = await make(9, { reasons: ['empty-mask'] })
    const halo = await make(3, { reasons: ['halo'], haloScore: 0.9 })
    const weaker = await make(1, { reasons: ['halo'], haloScore: 0.4 })
    const old = await make(8, { reasons: ['touches-frame'] })
    const young = await make(2, { reasons: ['touches-frame'] })
    const fine = [await make(4), await make(5)]
    const superseded = await make(1, { reasons: ['full-mask'] })
    await chooseVersion(sql, { of: superseded, jobId: fine[0] as string, how: 'redo', by: user })
    await makeJob(sql, { user, status: 'failed' })
    const all = [empty, halo, weaker, young, old, ...fine]

    const found: string[] = []
    let after: Parameters<typeof findDoubtfulPage>[2]['after']
    do {
      const { jobs, next } = await findDoubtfulPage(sql, { user }, { limit: 2, after })
      found.push(...jobs.map(({ jobId }) => jobId))
      after = next
    } while (after)
    expect(found).toEqual(all)

    const told = await findDoubtfulPlaces(sql, { user }, { pageSize: 2, most: 9 })
    expect(told).toMatchObject({ jobs: 7, isAll: true })
    expect(told.places.map(({ jobId }) => jobId)).toEqual([all[1], all[3], all[5]])
    const { jobs } = await findDoubtfulPage(sql, { user }, { limit: 9, after: told.places[1] })
    expect(jobs.map(({ jobId }) => jobId)).toEqual(all.slice(4))
    const part = await findDoubtfulPlaces(sql, { user }, { pageSize: 2, most: 2 })
    expect(part).toMatchObject({ jobs: 4, isAll: false })
    const rest = await findDoubtfulPlaces(sql, { user }, { pageSize: 2, most: 2, after: part.places[1] })
    expect(rest).toMatchObject({ jobs: 3, isAll: true })
  })
})
