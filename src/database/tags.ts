import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { withDatabase } from './errors.ts'
import { knownTags } from './filters.ts'
import { one } from './rows.ts'

/**
 * A tag as it is stored: trimmed, 1 to 64 characters.
 *
 * @throws RmbgError USAGE
 */
export function tagName(tag: string): string {
  const name = tag.trim()
  if (name.length === 0 || name.length > 64 || /\p{Cc}/u.test(name)) {
    throw new RmbgError(
      'USAGE',
      `The tag ${JSON.stringify(tag)} is not usable: a tag has 1 to 64 visible characters.`,
    )
  }
  return name
}

/** As one parameter: a statement takes 65,534 of them at most. */
const listed = (sql: postgres.Sql, jobIds: readonly string[]) =>
  sql`(select id::uuid from jsonb_array_elements_text(${sql.json([...jobIds])}) id)`

/** What failed and was taken up again comes twice. */
const everyJob = (sql: postgres.Sql) =>
  sql`(select job_id from image_process_jobs union all select job_id from open_jobs) jobs`

/** Gives jobs the tags of a run, in addition to the tags they have. */
export type Tagger = (jobIds: readonly string[]) => Promise<void>

/**
 * Gives every job the same tags. They are looked up when the first job comes, and those made that are missing; each
 * call after that is one statement.
 *
 * @throws RmbgError USAGE for what is no tag
 */
export function taggerOf(sql: postgres.Sql, tags: readonly string[]): Tagger {
  const names = [...new Set(tags.map(tagName))]
  let lookedUp: Promise<number[]> | undefined
  const lookUp = () => {
    lookedUp = ensureTags(sql, names)
    // A lookup that failed is no answer for the next job.
    lookedUp.catch(() => {
      lookedUp = undefined
    })
    return lookedUp
  }
  return async (jobIds) => {
    if (jobIds.length === 0 || names.length === 0) return
    const isGiven = await give(sql, jobIds, await (lookedUp ?? lookUp()))
    // Somebody deleted one of them since.
    if (!isGiven) await give(sql, jobIds, await lookUp())
  }
}

/** Gives every job every tag, in addition to the tags it has. */
export const tagJobs = async (sql: postgres.Sql, jobIds: readonly string[], tags: readonly string[]) =>
  taggerOf(sql, tags)(jobIds)

/**
 * The ids of tags, made where they are missing. Only missing ones reach the INSERT: it draws a value of the sequence
 * before it sees a conflict, and the sequence has no more than 2^31 - 1 of them.
 */
async function ensureTags(sql: postgres.Sql, names: readonly string[]): Promise<number[]> {
  const known = await knownTags(sql, names)
  const missing = names.filter((name) => !known.some((tag) => tag.name === name))
  if (missing.length === 0) return known.map(({ tagId }) => tagId)
  // In one order everywhere, so that two runs adding the same new tags cannot wait for each other in a circle.
  const made = sql`select jsonb_array_elements_text(${sql.json(missing.sort())})`
  await withDatabase(() => sql`insert into tags (name) ${made} on conflict (name) do nothing`)
  return (await knownTags(sql, names)).map(({ tagId }) => tagId)
}

/** @returns false when one of the tags is not there any more */
async function give(
  sql: postgres.Sql,
  jobIds: readonly string[],
  tagIds: readonly number[],
): Promise<boolean> {
  const rows = await withDatabase<{ found: number }>(
    () => sql`
      with wanted as materialized (
        select tag_id from tags
        where tag_id in (select id::integer from jsonb_array_elements_text(${sql.json([...tagIds])}) id)
      ), given as (
        insert into image_tags (job_id, tag_id)
        select job_id, tag_id from ${everyJob(sql)} cross join wanted where job_id in ${listed(sql, jobIds)}
        on conflict do nothing
      )
      select count(*)::integer as found from wanted`,
  )
  return one(rows).found === tagIds.length
}

/**
 * Takes tags from jobs.
 *
 * @returns how many job-tag pairs there were
 */
export async function untagJobs(
  sql: postgres.Sql,
  jobIds: readonly string[],
  tags: readonly string[],
): Promise<number> {
  const names = [...new Set(tags.map(tagName))]
  if (jobIds.length === 0 || names.length === 0) return 0
  const gone = await withDatabase(
    () => sql`
      delete from image_tags using tags
      where tags.tag_id = image_tags.tag_id and tags.name in ${sql(names)}
        and image_tags.job_id in ${listed(sql, jobIds)}
      returning 1`,
  )
  return gone.length
}

/** Which of the ids are those of jobs. */
export async function existingJobs(sql: postgres.Sql, jobIds: readonly string[]): Promise<Set<string>> {
  if (jobIds.length === 0) return new Set()
  const rows = await withDatabase(
    () => sql<{ jobId: string }[]>`
      select job_id as "jobId" from ${everyJob(sql)} where job_id in ${listed(sql, jobIds)}`,
  )
  return new Set(rows.map(({ jobId }) => jobId))
}

export interface ListedTag {
  name: string
  jobs: number
}

/** Tags by name, with how many jobs have each. */
export async function listTags(
  sql: postgres.Sql,
  { limit, after }: { limit: number; after: string },
): Promise<ListedTag[]> {
  return withDatabase<ListedTag>(
    () => sql`
      select t.name, (select count(*) from image_tags i where i.tag_id = t.tag_id)::float8 as jobs
      from tags t where t.name > ${after} order by t.name limit ${limit}`,
  )
}
