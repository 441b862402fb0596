import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { databaseError } from './errors.ts'
import type { OwnObjects } from './own-objects.ts'
import { one } from './rows.ts'

/**
 * Makes the schemas and extensions that our objects need, where they are missing.
 *
 * @throws RmbgError DATABASE_DENIED saying who has to create what
 */
export async function ensureSurroundings(
  sql: postgres.Sql,
  { schemas, extensions }: OwnObjects,
): Promise<void> {
  for (const schema of new Set([...schemas, ...extensions.map((extension) => extension.schema)])) {
    const { isThere } = one(
      await sql<{ isThere: boolean }[]>`
        select exists (select from pg_namespace where nspname = ${schema}) as "isThere"`,
    )
    if (!isThere)
      await sql`create schema ${sql(schema)}`.catch((cause) => Promise.reject(databaseError(cause)))
  }
  for (const { name, schema } of extensions) {
    const { isThere, database } = one(
      await sql<{ isThere: boolean; database: string }[]>`
        select exists (select from pg_extension where extname = ${name}) as "isThere", current_database() as database`,
    )
    if (isThere) continue
    await sql`create extension ${sql(name)} schema ${sql(schema)}`.catch((cause) =>
      Promise.reject(notCreated(cause, { name, schema, database })),
    )
  }
}

function notCreated(
  cause: unknown,
  { name, schema, database }: { name: string; schema: string; database: string },
): RmbgError {
  const { code } = cause as { code?: string }
  const statement = `CREATE EXTENSION ${name} SCHEMA ${schema}`
  // Insufficient privilege; and the two ways to say that the server's machine lacks its files.
  if (code === '42501') {
    return new RmbgError(
      'DATABASE_DENIED',
      `This role may not create the extension ${name} in ${database}.`,
      {
        hint: `A superuser, or from PostgreSQL 13 on the owner of ${database}, runs ${statement} there first. Nothing was restored.`,
        cause,
      },
    )
  }
  if (code === '58P01' || code === '0A000') {
    return new RmbgError('DATABASE_ERROR', `The server has no extension ${name}.`, {
      hint: 'Install contrib on its machine (Debian has it in postgresql itself, RPMs in postgresql-contrib). Nothing was restored.',
      cause,
    })
  }
  return databaseError(cause)
}
