/** Words in names, tags and errors of jobs that have ended, through the trigram indexes. */
import type postgres from 'postgres'
import { errorFamilies, RmbgError } from '../errors.ts'
import { withDatabase } from './errors.ts'
import { escapeLike, type JobTable } from './filters.ts'
import { one } from './rows.ts'

type Expression = postgres.PendingQuery<postgres.Row[]>

/** More make no search finer, and each costs a look at every job that the others have found. */
const mostWords = 8
/** Jobs of each kind (by name, error, tag) that are ranked, the newest ones: a word may be in every name. */
const mostRanked = 10_000
/** Tags that a word may mean; all that a statement can name, not only those worth showing. */
const mostTags = 10_000

/**
 * The words of a search, each once.
 *
 * @throws RmbgError USAGE when there are none, or too many
 */
function searchWords(text: string): string[] {
  const words = [...new Set(text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)))]
  if (words.length > 0 && words.length <= mostWords && !text.includes('\0')) return words
  throw new RmbgError(
    'USAGE',
    words.length > mostWords
      ? `--search takes up to ${mostWords} words but received ${words.length}.`
      : `--search expects words with letters or digits but received ${JSON.stringify(text)}.`,
  )
}

/** A word, and the tags that it may mean. */
interface Wanted {
  word: string
  tagIds: number[]
}

/**
 * A search as a statement: every job has all words, each somewhere, whole, in part or slightly misspelled.
 *
 * @param condition what else the jobs have to meet
 * @returns rows of `job_id`, `created_at` and `rank`, from 0 to 1 with four digits; behind a function, because a promise
 *   of a query would run it
 * @throws RmbgError USAGE as `searchWords`
 */
export async function searchQuery(
  sql: postgres.Sql,
  text: string,
  condition: (table: JobTable) => Expression,
): Promise<() => Expression> {
  const wanted: Wanted[] = []
  for (const word of searchWords(text)) wanted.push({ word, tagIds: await tagsLike(sql, word) })
  const lead = await rarest(sql, wanted)
  const others = wanted.filter((each) => each !== lead)
  const all = () =>
    others.reduce((before, each) => sql`${before} and ${somewhere(sql, each)}`, condition('ended'))
  const newest = (matches: Expression) => sql`
    (select j.job_id, j.created_at from image_process_jobs j where ${matches} and ${all()}
      order by j.created_at desc, j.job_id desc limit ${mostRanked})`
  return () => sql`
    select j.job_id, j.created_at, ${rankOf(sql, wanted)} as rank
    from (
      ${places(sql, lead)
        .map(newest)
        .reduce((before, each) => sql`${before} union ${each}`)}
    ) found join image_process_jobs j on j.job_id = found.job_id`
}

/** As the index has it, word for word. */
const nameOf = (sql: postgres.Sql): Expression =>
  sql`case when j.status in ('completed', 'failed') then source_name(j.source_path) end`

/**
 * Whether a text has a word, or a part of one, or one that reads like it. No part is shorter than a trigram: it would read
 * the whole index. Only letters and digits are compared by likeness, where every `IMG_0412` reads like `IMG_0999`.
 */
function has(sql: postgres.Sql, text: Expression, word: string): Expression {
  const alike = sql`${text} %> ${word}`
  if (!/[\p{L}\p{N}]{3}/u.test(word)) return alike
  const part = sql`${text} ilike ${`%${escapeLike(word)}%`}`
  return /^[\p{L}\p{N}]+$/u.test(word) ? sql`(${alike} or ${part})` : part
}

/** Where a word may be. An index serves each place by itself. */
function places(sql: postgres.Sql, { word, tagIds }: Wanted): Expression[] {
  const code = word.toUpperCase()
  return [
    has(sql, nameOf(sql), word),
    sql`j.status = 'failed' and ${has(sql, sql`j.error_message`, word)}`,
    ...(Object.hasOwn(errorFamilies, code) ? [sql`j.status = 'failed' and j.error_code = ${code}`] : []),
    ...(tagIds.length > 0
      ? [sql`exists (select from image_tags t where t.job_id = j.job_id and t.tag_id in ${sql(tagIds)})`]
      : []),
  ]
}

const somewhere = (sql: postgres.Sql, wanted: Wanted): Expression =>
  sql`(${places(sql, wanted).reduce((before, each) => sql`${before} or ${each}`)})`

async function tagsLike(sql: postgres.Sql, word: string): Promise<number[]> {
  const rows = await withDatabase<{ tagId: number }>(
    () =>
      sql`select tag_id as "tagId" from tags where ${has(sql, sql`name`, word)} order by tag_id limit ${mostTags}`,
  )
  return rows.map(({ tagId }) => tagId)
}

/** The word that the fewest jobs have, as the planner estimates: the others are looked for among its jobs. */
async function rarest(sql: postgres.Sql, wanted: readonly Wanted[]): Promise<Wanted> {
  const estimated: { wanted: Wanted; rows: number }[] = []
  for (const each of wanted) {
    if (wanted.length === 1) return each
    let rows = 0
    for (let place = 0; place < places(sql, each).length; place++)
      rows += await estimate(sql, () => places(sql, each)[place] ?? sql`false`)
    estimated.push({ wanted: each, rows })
  }
  return one(estimated.sort((a, b) => a.rows - b.rows)).wanted
}

async function estimate(sql: postgres.Sql, matches: () => Expression): Promise<number> {
  const rows = await withDatabase<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(
    () => sql`explain (format json) select from image_process_jobs j where ${matches()}`,
  )
  return one(rows)['QUERY PLAN'][0].Plan['Plan Rows']
}

/** How well a job fits: of each word its best likeness, of all words the mean. */
function rankOf(sql: postgres.Sql, wanted: readonly Wanted[]): Expression {
  const best = wanted.map(({ word, tagIds }) => {
    const ofTags =
      tagIds.length === 0
        ? sql`0`
        : sql`coalesce((select max(word_similarity(${word}, g.name)) from image_tags t join tags g on g.tag_id = t.tag_id
            where t.job_id = j.job_id and t.tag_id in ${sql(tagIds)}), 0)`
    const ofCode = sql`case when j.error_code = ${word.toUpperCase()} then 1 else 0 end`
    return sql`greatest(word_similarity(${word}, coalesce(${nameOf(sql)}, '')),
      word_similarity(${word}, coalesce(j.error_message, '')), ${ofTags}, ${ofCode})`
  })
  return sql`round(((${best.reduce((sum, each) => sql`${sum} + ${each}`)}) / ${best.length}::integer)::numeric, 4)`
}
