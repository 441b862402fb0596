/** Tags: given, taken, listed and found by people who do not remember how they are spelt. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { similarTags } from '../../src/database/filters.ts'
import { shippedMigrations } from '../../src/database/migrate.ts'
import { findJobs } from '../../src/database/query.ts'
import { existingJobs, listTags, taggerOf, tagJobs, tagName, untagJobs } from '../../src/database/tags.ts'
import { makeJob } from '../support/jobs.ts'
import { onBothDatabases } from './databases.ts'

it.each([
  ['spring', 'spring'],
  ['  spring sale ', 'spring sale'],
  ['Größe 38/40', 'Größe 38/40'],
  ['x'.repeat(64), 'x'.repeat(64)],
])('%j is the tag %j', (given, stored) => {
  expect(tagName(given)).toBe(stored)
})

it.each(['', '   ', 'x'.repeat(65), 'two\nlines', 'bell\u0007'])('%j is no tag', (given) => {
  expect(() => tagName(given)).toThrow(/has 1 to 64 visible characters/)
})

describe.each(['open', 'ended'] as const)('tags of %s jobs', (kind) => {
  onBothDatabases('tags', (database) => {
    const sql = () => database().sql
    let jobs: string[]
    beforeAll(async () => {
      jobs = []
      const status = kind === 'open' ? 'processing' : 'completed'
      for (let made = 0; made < 5; made++) jobs.push(await makeJob(sql(), { status }))
    })
    beforeEach(async () => {
      await sql()`delete from tags`
      await sql()`update open_jobs set tags = '{}'`
    })

    const tagsOf = async (jobId: string) => (await findJobs(sql(), [jobId]))[0]!.tags.toSorted()

    it('are given to many jobs at once, once each, whatever is there already', async () => {
      await tagJobs(sql(), jobs.slice(0, 2), ['spring', ' spring ', 'hero'])
      await tagJobs(sql(), [jobs[1]!, jobs[1]!, jobs[2]!], ['spring', 'sale'])
      expect(await Promise.all(jobs.map(tagsOf))).toEqual([
        ['hero', 'spring'],
        ['hero', 'sale', 'spring'],
        ['sale', 'spring'],
        [],
        [],
      ])
    })

    it('are not the same in capitals', async () => {
      await tagJobs(sql(), jobs.slice(0, 1), ['Spring', 'spring'])
      expect(await tagsOf(jobs[0]!)).toEqual(['Spring', 'spring'])
    })

    it('are taken from some jobs and stay with the others', async () => {
      await tagJobs(sql(), jobs, ['spring', 'hero'])
      expect(await untagJobs(sql(), jobs.slice(0, 2), [' spring', 'unknown'])).toBe(2)
      expect(await untagJobs(sql(), jobs.slice(0, 2), ['spring'])).toBe(0)
      expect(await tagsOf(jobs[0]!)).toEqual(['hero'])
      expect(await tagsOf(jobs[2]!)).toEqual(['hero', 'spring'])
    })

    it('given by many runs at once are one tag each', async () => {
      const names = Array.from({ length: 20 }, (_, index) => `tag-${index}`)
      await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          tagJobs(sql(), index % 2 ? jobs : jobs.toReversed(), [
            ...names.slice(index),
            ...names.slice(0, index),
          ]),
        ),
      )
      expect(await listTags(sql(), { limit: 100, after: '' })).toHaveLength(20)
      for (const job of jobs) expect(await tagsOf(job)).toHaveLength(20)
    })

    it('use up no id but one for each new tag', async () => {
      const drawn = async () =>
        Number((await sql()`select last_value from ${sql()('tags_tag_id_seq')}`)[0]!.last_value)
      await tagJobs(sql(), jobs, ['spring'])
      const before = await drawn()
      const tag = taggerOf(sql(), ['spring', 'hero'])
      for (const job of jobs) await tag([job])
      await tagJobs(sql(), jobs, ['hero', 'spring'])
      expect((await drawn()) - before).toBe(1)
    })

    it('get back the ids that were used up before, when the database is migrated', async () => {
      await tagJobs(sql(), jobs, ['spring', 'hero'])
      const [tag] = await sql()`select max(tag_id) as last from tags`
      await sql()`select setval('tags_tag_id_seq', 2147483647)`
      const { sql: repair } = (await shippedMigrations()).find(({ name }) => name.endsWith('_tag_sequence'))!
      await sql().begin((transaction) => transaction.unsafe(repair))
      await tagJobs(sql(), jobs, ['autumn'])
      expect((await sql()`select tag_id from tags where name = 'autumn'`)[0]!.tag_id).toBe(tag!.last + 1)
      await sql()`delete from tags`
      await sql().begin((transaction) => transaction.unsafe(repair))
      await tagJobs(sql(), jobs, ['first'])
      expect((await sql()`select tag_id from tags`)[0]!.tag_id).toBe(1)
    })

    it('are made again when one is deleted during a run', async () => {
      const tag = taggerOf(sql(), ['spring', 'hero'])
      await tag([jobs[0]!])
      await sql()`delete from tags where name = 'hero'`
      await tag([jobs[1]!])
      expect(await tagsOf(jobs[1]!)).toEqual(['hero', 'spring'])
      expect((await listTags(sql(), { limit: 9, after: '' })).map(({ name }) => name)).toEqual([
        'hero',
        'spring',
      ])
    })

    it('are given to and taken from more jobs than a statement has parameters', async () => {
      const unknown = Array.from({ length: 70_000 }, () => crypto.randomUUID())
      const ids = [...unknown, ...jobs]
      expect(await existingJobs(sql(), ids)).toEqual(new Set(jobs))
      await tagJobs(sql(), ids, ['many'])
      expect(await untagJobs(sql(), ids, ['many'])).toBe(5)
    })

    it('are listed by name with their jobs, page by page', async () => {
      await tagJobs(sql(), jobs.slice(0, 3), ['b', 'a'])
      await tagJobs(sql(), jobs.slice(0, 1), ['c'])
      await untagJobs(sql(), jobs, ['c'])
      expect(await listTags(sql(), { limit: 2, after: '' })).toEqual([
        { name: 'a', jobs: 3 },
        { name: 'b', jobs: 3 },
      ])
      expect(await listTags(sql(), { limit: 2, after: 'b' })).toEqual([{ name: 'c', jobs: 0 }])
    })

    it('are found by a part of the name or a similar spelling, best first', async () => {
      await tagJobs(sql(), jobs.slice(0, 1), ['spring', 'spring sale', 'autumn', '100%', 'offspring', 'a_b'])
      const found = async (text: string) => (await similarTags(sql(), text)).map(({ name }) => name)
      expect(await found('spring')).toEqual(['spring', 'spring sale', 'offspring'])
      expect(await found('SPRNG')).toEqual(['spring', 'spring sale'])
      expect(await found('autum')).toEqual(['autumn'])
      expect(await found('%')).toEqual(['100%'])
      expect(await found('_')).toEqual(['a_b'])
      expect(await found('\\')).toEqual([])
      expect(await found("'; drop table tags; --")).toEqual([])
      expect((await similarTags(sql(), 'spring'))[0]).toMatchObject({ name: 'spring', similarity: 1 })
    })
  })
})
