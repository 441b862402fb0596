import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { withDatabase } from './errors.ts'

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
 * Gives every job the same tags, and makes those that are missing; each call is one statement.
 *
 * @throws RmbgError USAGE for what is no tag
 */
export function taggerOf(sql: postgres.Sql, tags: readonly string[]): Tagger {
  const names = [...new Set(tags.map(tagName))]
  return async (jobIds) => {
    if (jobIds.length === 0 || names.length === 0) return
    await withDatabase(() => sql`select tag_jobs(${sql.json([...jobIds])}, ${sql.json(names)})`)
  }
}

/** Gives every job every tag, in addition to the tags it has. */
export const tagJobs = async (sql: postgres.Sql, jobIds: readonly string[], tags: readonly string[]) =>
  taggerOf(sql, tags)(jobIds)

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
  // First from the open ones: one that ends meanwhile is found in the log then.
  const open = await withDatabase<TakenTag>(
    () => sql`
      with named as materialized (select name from jsonb_array_elements_text(${sql.json(names)}) name), held as (
        select job_id, tags from open_jobs where job_id in ${listed(sql, jobIds)} order by job_id for update
      ), changed as (
        update open_jobs o
        set tags = array(select name from unnest(held.tags) name where name not in (select name from named))
        from held where o.job_id = held.job_id and held.tags && array(select name from named)
      )
      select job_id as "jobId", name from held cross join lateral unnest(tags) name
      where name in (select name from named)`,
  )
  const ended = await withDatabase<TakenTag>(
    () => sql`
      delete from image_tags using tags
      where tags.tag_id = image_tags.tag_id and tags.name in ${sql(names)}
        and image_tags.job_id in ${listed(sql, jobIds)}
      returning image_tags.job_id as "jobId", tags.name`,
  )
  // What failed and is open again has them twice.
  return new Set([...open, ...ended].map(({ jobId, name }) => `${jobId} ${name}`)).size
}

interface TakenTag {
  jobId: string
  name: string
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
      with open as materialized (
        select name, count(*) from open_jobs o cross join lateral unnest(o.tags) name
        where not exists (select from image_tags i join tags t on t.tag_id = i.tag_id and t.name = name
          where i.job_id = o.job_id)
        group by name
      )
      select t.name, (select count(*) from image_tags i where i.tag_id = t.tag_id)::float8
        + coalesce((select o.count from open o where o.name = t.name), 0)::float8 as jobs
      from tags t where t.name > ${after} order by t.name limit ${limit}`,
  )
}
