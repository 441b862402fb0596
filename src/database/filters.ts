import type postgres from 'postgres'
import { errorFamilies, RmbgError } from '../errors.ts'
import { withDatabase } from './errors.ts'
import { type Instant, instant } from './sql-time.ts'

/** Which jobs to find: those that meet all given conditions. */
export interface JobFilter {
  user?: string
  statuses?: readonly string[]
  /** Created at or after. */
  since?: Instant
  /** Created before. */
  until?: Instant
  /** All of them. */
  tags?: readonly string[]
  /** None of them. */
  exceptTags?: readonly string[]
  /** A tag that reads like this one. */
  tagLike?: string
  /** Contained in `params`. */
  params?: Record<string, unknown>
  /** The file that was read has more bytes. */
  largerThanBytes?: number
  /** `*` and `?` in the source file's name, folders left out. */
  name?: string
  /** An error code, or a part of the sentence. */
  error?: string
  needsReview?: boolean
  /** The verdict that stands; `none` is of jobs that nobody has judged. */
  verdicts?: readonly ('accepted' | 'rejected' | 'none')[]
}

type Condition = postgres.PendingQuery<postgres.Row[]>

/**
 * The filter as a condition over `image_process_jobs j`. Tags are looked up first: with their ids in the condition the
 * planner knows how common they are.
 *
 * @returns gives the condition; behind a function, because a promise of a query would run it
 * @throws RmbgError NOT_FOUND naming one of `tags` that does not exist
 */
export async function jobCondition(sql: postgres.Sql, filter: JobFilter): Promise<() => Condition> {
  const { user, statuses, since, until, params, largerThanBytes, name, error, needsReview } = filter
  const tagged = (ids: readonly number[]) =>
    sql`exists (select from image_tags t where t.job_id = j.job_id and t.tag_id in ${sql(ids)})`
  const conditions: Condition[] = []
  if (user !== undefined) conditions.push(sql`j.user_id = ${user}`)
  if (statuses) conditions.push(hasStatus(sql, statuses))
  if (since) conditions.push(sql`j.created_at >= ${instant(sql, since)}`)
  if (until) conditions.push(sql`j.created_at < ${instant(sql, until)}`)
  for (const id of await tagIds(sql, filter.tags ?? [])) conditions.push(tagged([id]))
  // A tag that nobody has made yet is on no job.
  const excepted = await knownTags(sql, filter.exceptTags ?? [])
  if (excepted.length > 0) conditions.push(sql`not ${tagged(excepted.map(({ tagId }) => tagId))}`)
  if (filter.tagLike !== undefined) {
    // All that a statement can name, not only those worth showing.
    const similar = await similarTags(sql, filter.tagLike, 10_000)
    conditions.push(similar.length === 0 ? sql`false` : tagged(similar.map(({ tagId }) => tagId)))
  }
  if (params !== undefined) conditions.push(sql`j.params @> ${sql.json(params as postgres.JSONValue)}`)
  if (largerThanBytes !== undefined) {
    // The indexed column counts started KiB; the bytes tell the files apart that are within the same one.
    const kib = Math.min(Math.floor(largerThanBytes / 1024), 2 ** 31 - 1) // the most that the column holds
    conditions.push(sql`j.file_size_kb > ${kib} and coalesce(j.source_size > ${largerThanBytes}, true)`)
  }
  if (name !== undefined) {
    // The index has the names of jobs that have ended; the others are few, and found by their status.
    const pattern = likePattern(name)
    conditions.push(sql`
      (case when j.status in ('completed', 'failed') then source_name(j.source_path) end like ${pattern}
        or ${hasStatus(sql, ['pending', 'processing'])} and source_name(j.source_path) like ${pattern})`)
  }
  // The status is in the text of the query: the indexes over failures are partial.
  if (error !== undefined && Object.hasOwn(errorFamilies, error))
    conditions.push(sql`j.status = 'failed' and j.error_code = ${error}`)
  else if (error !== undefined)
    conditions.push(sql`j.status = 'failed' and j.error_message ilike ${`%${escapeLike(error)}%`}`)
  if (needsReview) conditions.push(sql`j.needs_review`)
  if (filter.verdicts) conditions.push(hasVerdict(sql, filter.verdicts))
  return () => conditions.reduce((all, one) => sql`${all} and ${one}`, sql`true`)
}

function hasStatus(sql: postgres.Sql, statuses: readonly string[]): Condition {
  if (statuses.length === 0) return sql`true`
  return sql`(${statuses
    .map((status) => isStatus(sql, status))
    .reduce((before, one) => sql`${before} or ${one}`)})`
}

/** Judged jobs are few, and found by their verdict; what nobody has judged is most of the log. */
function hasVerdict(sql: postgres.Sql, wanted: readonly string[]): Condition {
  const judged = wanted.filter((verdict) => verdict !== 'none')
  const is = (verdicts: readonly string[]) =>
    sql`exists (select from job_verdicts v where v.job_id = j.job_id and v.verdict in ${sql(verdicts)})`
  if (!wanted.includes('none')) return judged.length === 0 ? sql`true` : is(judged)
  const others = ['accepted', 'rejected'].filter((verdict) => !judged.includes(verdict))
  return others.length === 0 ? sql`true` : sql`not ${is(others)}`
}

/** The status is a literal in the query: the planner uses a partial index only where it sees the literal. */
function isStatus(sql: postgres.Sql, status: string): Condition {
  switch (status) {
    case 'pending':
      return sql`j.status = 'pending'`
    case 'processing':
      return sql`j.status = 'processing'`
    case 'failed':
      return sql`j.status = 'failed'`
    case 'completed':
      return sql`j.status = 'completed'`
    default:
      return sql`false`
  }
}

async function tagIds(sql: postgres.Sql, names: readonly string[]): Promise<number[]> {
  const known = await knownTags(sql, names)
  const missing = names.find((name) => !known.some((tag) => tag.name === name))
  if (missing === undefined) return known.map(({ tagId }) => tagId)
  const [similar] = await similarTags(sql, missing)
  throw new RmbgError('NOT_FOUND', `There is no tag ${JSON.stringify(missing)}.`, {
    hint: similar
      ? `Did you mean ${JSON.stringify(similar.name)}? rmbg tag search finds tags by a part of their name.`
      : 'rmbg tag list shows all tags.',
  })
}

/** Those of the names that there are. */
export async function knownTags(
  sql: postgres.Sql,
  names: readonly string[],
): Promise<{ tagId: number; name: string }[]> {
  if (names.length === 0) return []
  return withDatabase<{ tagId: number; name: string }>(
    () => sql`select tag_id as "tagId", name from tags where name in ${sql(names)}`,
  )
}

/** Those of the names that no tag has, each with the tag that may be meant. */
export async function unknownTags(
  sql: postgres.Sql,
  names: readonly string[],
): Promise<{ name: string; similar: string | undefined }[]> {
  const known = await knownTags(sql, names)
  const unknown = names.filter((name) => !known.some((tag) => tag.name === name))
  return Promise.all(
    unknown.map(async (name) => ({ name, similar: (await similarTags(sql, name, 1))[0]?.name })),
  )
}

export interface SimilarTag {
  tagId: number
  name: string
  /** 0 to 1, of pg_trgm. */
  similarity: number
}

/** Tags that read like the given text or contain it, best first. */
export async function similarTags(sql: postgres.Sql, text: string, limit = 50): Promise<SimilarTag[]> {
  return withDatabase<SimilarTag>(
    () => sql`
      select tag_id as "tagId", name, similarity(name, ${text})::float8 as similarity from tags
      where name % ${text} or name ilike ${`%${escapeLike(text)}%`}
      order by 3 desc, name limit ${limit}`,
  )
}

const escapeLike = (text: string): string => text.replaceAll(/[\\%_]/g, '\\$&')

/** `*` and `?` of a glob as LIKE knows them. */
const likePattern = (glob: string): string => escapeLike(glob).replaceAll('*', '%').replaceAll('?', '_')
