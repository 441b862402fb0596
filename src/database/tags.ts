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

/** Gives every job every tag, in addition to the tags it has. */
export async function tagJobs(
  sql: postgres.Sql,
  jobIds: readonly string[],
  tags: readonly string[],
): Promise<void> {
  // In one order everywhere, so that two runs adding the same new tags cannot wait for each other in a circle.
  const names = [...new Set(tags.map(tagName))].sort()
  if (jobIds.length === 0 || names.length === 0) return
  await withDatabase(
    () => sql`
      insert into tags (name) select jsonb_array_elements_text(${sql.json(names)}) on conflict (name) do nothing`,
  )
  await withDatabase(
    () => sql`
      insert into image_tags (job_id, tag_id)
      select job_id, tag_id from image_process_jobs, tags
      where job_id in ${listed(sql, jobIds)} and tags.name in ${sql(names)}
      on conflict do nothing`,
  )
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
      select job_id as "jobId" from image_process_jobs where job_id in ${listed(sql, jobIds)}`,
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
