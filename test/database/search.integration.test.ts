/** Words in names, tags and errors: each somewhere, the best job first, in pages that show each job once. */
import type postgres from 'postgres'
import { beforeAll, expect, it } from 'vitest'
import type { JobFilter } from '../../src/database/filters.ts'
import { tagJobs } from '../../src/database/tags.ts'
import { queryJobs } from '../../src/jobs/pages.ts'
import { onBothDatabases } from './databases.ts'

/** Name, tags and error of each job; they are created a minute apart, the first one last. */
const jobs: [name: string, tags: string[], error?: string][] = [
  ['red-shoes-hero.jpg', ['spring']],
  ['red-boots.jpg', ['hero', 'spring']],
  ['blue-shoes.jpg', ['hero']],
  ['sho es.jpg', []],
  ['snowshoes-12.jpg', []],
  ['IMG_0412.jpg', ['Frühling'], 'The picture is damaged: premature end of JPEG image.'],
  ['IMG_0413.jpg', [], 'The file is empty.'],
  ['100%_cotton.jpg', ["o'hara"]],
]

async function fill(sql: postgres.Sql): Promise<void> {
  for (const [index, [name, tags, error]] of jobs.entries()) {
    const id = `00000000-0000-7000-8000-00000000000${index}`
    await sql`
      insert into image_process_jobs (job_id, user_id, status, created_at, completed_at, original_path, mask_path,
        processed_path, source_path, error_code, error_message)
      values (${id}, ${index % 2 ? 'anna' : 'bob'}, ${error ? 'failed' : 'completed'},
        ${'2026-11-01T00:00:00Z'}::text::timestamptz - ${index}::integer * interval '1 minute',
        ${error ? null : '2026-11-02T00:00:00Z'}::text::timestamptz, 'o', ${error ? null : 'm'}, ${error ? null : 'p'},
        ${`/in/folder/${name}`}, ${error ? (error.includes('empty') ? 'INPUT_EMPTY' : 'INPUT_CORRUPT') : null},
        ${error ?? null})`
    if (tags.length > 0) await tagJobs(sql, [id], tags)
  }
}

onBothDatabases('a search', (database) => {
  const sql = () => database().sql
  const found = async (search: string, filter: JobFilter = {}) =>
    (await queryJobs(sql(), { ...filter, search }, { limit: 100 })).jobs.map(({ sourceName }) => sourceName)

  beforeAll(async () => {
    await sql()`delete from image_process_jobs`
    await fill(sql())
  })

  it.each<[string, string[]]>([
    // A whole word is better than a part of another, and a job of a later minute comes before one that fits as well.
    ['shoes', ['red-shoes-hero.jpg', 'blue-shoes.jpg', 'snowshoes-12.jpg']],
    ['SHOES', ['red-shoes-hero.jpg', 'blue-shoes.jpg', 'snowshoes-12.jpg']],
    // Each word somewhere: in the name or in a tag.
    ['hero shoes', ['red-shoes-hero.jpg', 'blue-shoes.jpg']],
    ['spring red', ['red-shoes-hero.jpg', 'red-boots.jpg']],
    ['hero spring boots', ['red-boots.jpg']],
    ['boots blue', []],
    // Parts of words, and words with a letter too many.
    ['owsho', ['snowshoes-12.jpg']],
    ['bootts', ['red-boots.jpg']],
    ['damaged premature', ['IMG_0412.jpg']],
    ['0412 jpeg', ['IMG_0412.jpg']],
    ['input_empty', ['IMG_0413.jpg']],
    ['früh', ['IMG_0412.jpg']],
    // What has a meaning in patterns and in SQL has none here.
    ['100%_cot', ['100%_cotton.jpg']],
    ["o'hara", ['100%_cotton.jpg']],
    // Folders are no part of a name.
    ['folder', []],
    ['nothing-like-it', []],
  ])('for %s finds %j', async (words, expected) => {
    expect(await found(words)).toEqual(expected)
  })

  it('goes together with filters', async () => {
    expect(await found('jpg', { user: 'anna', tags: ['hero'] })).toEqual(['red-boots.jpg'])
    expect(await found('jpg', { statuses: ['failed'] })).toEqual(['IMG_0412.jpg', 'IMG_0413.jpg'])
    expect(await found('jpg', { statuses: ['pending'] })).toEqual([])
  })

  it('shows each job once, in pages of any size', async () => {
    const whole = await found('jpg')
    expect(whole).toHaveLength(jobs.length)
    for (const limit of [1, 3]) {
      const names: (string | null)[] = []
      for (let after: string | undefined, pages = 0; pages === 0 || after !== undefined; pages++) {
        const page = await queryJobs(sql(), { search: 'jpg' }, { limit, ...(after && { after }) })
        names.push(...page.jobs.map(({ sourceName }) => sourceName))
        after = page.nextCursor
      }
      expect(names).toEqual(whole)
    }
  })

  it('shows of a job what any query shows, and no rank', async () => {
    const [hit] = (await queryJobs(sql(), { search: 'damaged' }, { limit: 1 })).jobs
    const [job] = (await queryJobs(sql(), { error: 'damaged' }, { limit: 1 })).jobs
    expect(hit).toEqual(job)
  })

  it.each([['--'], [' '], ['a b c d e f g h i']])('refuses %j', async (words) => {
    await expect(found(words)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('--search'),
    })
  })
})
