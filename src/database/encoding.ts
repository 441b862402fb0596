import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import type { Database } from './contract.ts'
import { patiently, withDatabase } from './errors.ts'
import { one } from './rows.ts'

/**
 * Refuses a database whose encoding lacks characters that file names have.
 *
 * @throws RmbgError DATABASE_ERROR
 */
export async function assertUtf8({ kind, sql }: Pick<Database, 'kind' | 'sql'>): Promise<void> {
  if (kind === 'embedded') return
  const { encoding, name } = one(
    await patiently(
      () => sql<{ encoding: string; name: string }[]>`
        select current_setting('server_encoding') as encoding, current_database()::text as name`,
    ),
  )
  if (encoding === 'UTF8') return
  throw new RmbgError(
    'DATABASE_ERROR',
    `The database ${name} has the encoding ${encoding}, which cannot store every file name; it has to be UTF8.`,
    {
      hint: `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and name that one. What is in ${name} comes along by rmbg backup and rmbg restore.`,
    },
  )
}

/** untranslatable_character */
const untranslatable = '22P05'

/** The encoding of the database, as the server tells it at the login; undefined before. */
export const encodingOf = ({ parameters }: postgres.Sql): string | undefined =>
  (parameters as Record<string, string | undefined>).server_encoding

/**
 * Which of these texts the database cannot store. Earlier releases made databases of other encodings than UTF8; only
 * those are asked.
 *
 * @throws RmbgError of family `database`
 */
export async function unstorable(sql: postgres.Sql, texts: readonly string[]): Promise<Set<string>> {
  const encoding = encodingOf(sql)
  if (encoding === undefined || encoding === 'UTF8' || texts.length === 0) return new Set()
  try {
    await withDatabase(() => sql`select ${texts.join('\n')}::text`)
    return new Set()
  } catch (error) {
    if (((error as RmbgError).cause as { code?: string } | undefined)?.code !== untranslatable) throw error
    if (texts.length === 1) return new Set(texts)
    const half = texts.length / 2
    const halves = [texts.slice(0, half), texts.slice(half)]
    const found = await Promise.all(halves.map((each) => unstorable(sql, each)))
    return new Set(found.flatMap((each) => [...each]))
  }
}
