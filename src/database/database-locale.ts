import type postgres from 'postgres'
import { databaseError } from './errors.ts'
import { one } from './rows.ts'

/** How a database writes and sorts text: what CREATE DATABASE is told, and can never be changed afterwards. */
export interface DatabaseLocale {
  /** Such as `UTF8`. */
  encoding: string
  collate: string
  ctype: string
  provider: 'libc' | 'icu' | 'builtin'
  /** Of the provider; null for libc. */
  locale: string | null
  /** ICU only. */
  rules: string | null
}

/** What pg_database says; the columns differ from release to release. */
interface Described {
  datcollate: string
  datctype: string
  /** Since PostgreSQL 15. */
  datlocprovider?: string
  /** PostgreSQL 15 and 16. */
  daticulocale?: string | null
  /** Since PostgreSQL 17. */
  datlocale?: string | null
  /** Since PostgreSQL 16. */
  daticurules?: string | null
}

const providers: Record<string, DatabaseLocale['provider']> = { c: 'libc', i: 'icu', b: 'builtin' }

/** The locale of the database that a connection is to. */
export async function localeOf(connection: postgres.Sql): Promise<DatabaseLocale> {
  const { encoding, said } = one(
    await connection<{ encoding: string; said: Described }[]>`
      select pg_encoding_to_char(encoding) as encoding, to_jsonb(d) as said
      from pg_database d where datname = current_database()`.catch((cause) =>
      Promise.reject(databaseError(cause)),
    ),
  )
  return {
    encoding,
    collate: said.datcollate,
    ctype: said.datctype,
    provider: providers[said.datlocprovider ?? 'c'] ?? 'libc',
    locale: said.datlocale ?? said.daticulocale ?? null,
    rules: said.daticurules ?? null,
  }
}

/**
 * Creates an empty database that writes and sorts text as another one does.
 *
 * @throws the driver's error
 */
export async function createDatabase(
  sql: postgres.Sql,
  name: string,
  { encoding, collate, ctype, provider, locale, rules }: DatabaseLocale,
): Promise<void> {
  const options: [string, string | null][] = [
    ...([
      ['encoding', encoding],
      ['lc_collate', collate],
      ['lc_ctype', ctype],
    ] as [string, string][]),
    // Before PostgreSQL 15 there is libc only, and no word for it.
    ...(provider === 'libc' ? [] : ([['locale_provider', provider]] as [string, string][])),
    [provider === 'builtin' ? 'builtin_locale' : 'icu_locale', locale],
    ['icu_rules', rules],
  ]
  const given = options.filter((option): option is [string, string] => option[1] !== null)
  // CREATE DATABASE takes no parameters: the server quotes what is put into it.
  const { statement } = one(
    await sql<{ statement: string }[]>`
      select 'create database ' || quote_ident(${name}) || ' template template0 ' || (
        select string_agg((option->>0) || ' ' || quote_literal(option->>1), ' ')
        from jsonb_array_elements(${sql.json(given)}) option) as statement`,
  )
  await sql.unsafe(statement)
}
