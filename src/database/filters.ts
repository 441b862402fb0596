import type postgres from 'postgres'
import { errorFamilies, RmbgError } from '../errors.ts'
import { withDatabase } from './errors.ts'
import { idPeriod, inPeriod } from './id-range.ts'
import { isPartitioned } from './partitions.ts'
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
  /** Words in names, tags and errors; only jobs that have ended are searched. The best ones come first (`search.ts`). */
  search?: string
  /** The verdict that stands; `none` is of jobs that nobody has judged. */
  verdicts?: readonly ('accepted' | 'rejected' | 'none')[]
}

type Condition = postgres.PendingQuery<postgres.Row[]>

/** Jobs that have ended are `image_process_jobs j`, open ones are `open_job_rows j`. */
export type JobTable = 'ended' | 'open'

/**
 * The filter as a condition over one of the tables. Tags are looked up first: with their ids in the condition the
 * planner knows how common they are.
 *
 * @returns gives the condition; behind a function, because a promise of a query would run it
 * @throws RmbgError NOT_FOUND naming one of `tags` that does not exist
 */
export async function jobCondition(
  sql: postgres.Sql,
  filter: JobFilter,
): Promise<(table: JobTable) => Condition> {
  const { user, statuses, since, until, params, largerThanBytes, name, error, needsReview } = filter
  const conditions: ((table: JobTable) => Condition)[] = [(table) => statusCondition(sql, table, statuses)]
  const add = (condition: () => Condition) => conditions.push(condition)
  if (user !== undefined) add(() => sql`j.user_id = ${user}`)
  if (since) add(() => sql`j.created_at >= ${instant(sql, since)}`)
  if (until) add(() => sql`j.created_at < ${instant(sql, until)}`)
  conditions.push(await monthsCondition(sql, filter))
  conditions.push(...(await tagConditions(sql, filter)))
  if (params !== undefined) add(() => sql`j.params @> ${sql.json(params as postgres.JSONValue)}`)
  if (largerThanBytes !== undefined) {
    // The indexed column counts started KiB; the bytes tell the files apart that are within the same one.
    const kib = Math.min(Math.floor(largerThanBytes / 1024), 2 ** 31 - 1) // the most that the column holds
    add(() => sql`j.file_size_kb > ${kib} and coalesce(j.source_size > ${largerThanBytes}, true)`)
  }
  if (name !== undefined) {
    const pattern = likePattern(name)
    conditions.push((table) =>
      table === 'open'
        ? sql`source_name(j.source_path) like ${pattern}`
        : // As the index has it, word for word.
          sql`case when j.status in ('completed', 'failed') then source_name(j.source_path) end like ${pattern}`,
    )
  }
  if (error !== undefined) add(() => errorCondition(sql, error))
  if (needsReview) add(() => sql`j.needs_review`)
  if (filter.verdicts) add(verdictCondition(sql, filter.verdicts))
  return (table) =>
    conditions.map((condition) => condition(table)).reduce((all, one) => sql`${all} and ${one}`)
}

/** @throws RmbgError NOT_FOUND naming one of `tags` that does not exist */
async function tagConditions(
  sql: postgres.Sql,
  { tags = [], exceptTags = [], tagLike }: JobFilter,
): Promise<((table: JobTable) => Condition)[]> {
  const conditions: ((table: JobTable) => Condition)[] = []
  for (const tag of await tagsNamed(sql, tags)) conditions.push((table) => tagged(sql, table, [tag]))
  // A tag that nobody has made yet is on no job.
  const excepted = await knownTags(sql, exceptTags)
  if (excepted.length > 0) conditions.push((table) => sql`not ${tagged(sql, table, excepted)}`)
  if (tagLike === undefined) return conditions
  // All that a statement can name, not only those worth showing.
  const similar = await similarTags(sql, tagLike, 10_000)
  conditions.push((table) => (similar.length === 0 ? sql`false` : tagged(sql, table, similar)))
  return conditions
}

/** The status is in the text of the query: the indexes over failures are partial. */
const errorCondition = (sql: postgres.Sql, error: string): Condition =>
  Object.hasOwn(errorFamilies, error)
    ? sql`j.status = 'failed' and j.error_code = ${error}`
    : sql`j.status = 'failed' and j.error_message ilike ${`%${escapeLike(error)}%`}`

/** At least one tag. */
const tagged = (sql: postgres.Sql, table: JobTable, tags: readonly KnownTag[]): Condition =>
  table === 'open'
    ? sql`exists (select from open_jobs o where o.job_id = j.job_id
        and o.tags && array(select jsonb_array_elements_text(${sql.json(tags.map(({ name }) => name))})))`
    : sql`exists (select from image_tags t where t.job_id = j.job_id
        and t.tag_id in ${sql(tags.map(({ tagId }) => tagId))})`

/** In a log in months: of which of them the jobs of a period can be. */
async function monthsCondition(
  sql: postgres.Sql,
  { since, until }: JobFilter,
): Promise<(table: JobTable) => Condition> {
  if ((!since && !until) || !(await isPartitioned(sql))) return () => sql`true`
  const period = await idPeriod(sql, { ...(since && { since }), ...(until && { until }) })
  return (table) => (table === 'ended' ? inPeriod(sql, period) : sql`true`)
}

const statusesOf: Record<JobTable, readonly string[]> = {
  ended: ['completed', 'failed'],
  open: ['pending', 'processing'],
}

/** What a table never holds is not asked of it: no index of it would know. */
function statusCondition(
  sql: postgres.Sql,
  table: JobTable,
  statuses: readonly string[] | undefined,
): Condition {
  const wanted = statusesOf[table].filter((status) => statuses?.includes(status) ?? true)
  if (wanted.length === 0) return sql`false`
  const conditions = wanted.map((status) => isStatus(sql, status))
  const either = conditions.reduce((before, one) => sql`${before} or ${one}`)
  const isWanted = wanted.length === statusesOf[table].length ? sql`true` : either
  return table === 'ended' && wanted.includes('failed')
    ? sql`${isWanted} and ${isNotOpenAgain(sql)}`
    : isWanted
}

/** What failed and was taken up again is in both tables, and is the open one until it ends. */
export const isNotOpenAgain = (sql: postgres.Sql): Condition =>
  sql`(j.status <> 'failed' or not exists (select from open_jobs o where o.job_id = j.job_id))`

/** Judged jobs are few, and found by their verdict; what nobody has judged is most of the log. */
function verdictCondition(sql: postgres.Sql, wanted: readonly string[]): () => Condition {
  const judged = wanted.filter((verdict) => verdict !== 'none')
  const is = (verdicts: readonly string[]) =>
    sql`exists (select from job_verdicts v where v.job_id = j.job_id and v.verdict in ${sql(verdicts)})`
  if (!wanted.includes('none')) return () => (judged.length === 0 ? sql`true` : is(judged))
  const others = ['accepted', 'rejected'].filter((verdict) => !judged.includes(verdict))
  return () => (others.length === 0 ? sql`true` : sql`not ${is(others)}`)
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

async function tagsNamed(sql: postgres.Sql, names: readonly string[]): Promise<KnownTag[]> {
  const known = await knownTags(sql, names)
  const missing = names.find((name) => !known.some((tag) => tag.name === name))
  if (missing === undefined) return known
  const [similar] = await similarTags(sql, missing)
  throw new RmbgError('NOT_FOUND', `There is no tag ${JSON.stringify(missing)}.`, {
    hint: similar
      ? `Did you mean ${JSON.stringify(similar.name)}? rmbg tag search finds tags by a part of their name.`
      : 'rmbg tag list shows all tags.',
  })
}

interface KnownTag {
  tagId: number
  name: string
}

/** Those of the names that there are. */
async function knownTags(sql: postgres.Sql, names: readonly string[]): Promise<KnownTag[]> {
  if (names.length === 0) return []
  return withDatabase<KnownTag>(
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

export interface SimilarTag extends KnownTag {
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

/** A text as a pattern of LIKE that matches it alone. */
export const escapeLike = (text: string): string => text.replaceAll(/[\\%_]/g, '\\$&')

/** `*` and `?` of a glob as LIKE knows them. */
const likePattern = (glob: string): string => escapeLike(glob).replaceAll('*', '%').replaceAll('?', '_')
