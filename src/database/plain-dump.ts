import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { PGlite } from '@electric-sql/pglite'
import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { databaseError } from './errors.ts'

/**
 * A PGlite as SQL that PostgreSQL 12 and newer, and PGlite, restore. Of pg_dump's other formats the one compiled for
 * PGlite writes seven bytes and reports success.
 *
 * @throws RmbgError DATABASE_ERROR when the dump is not complete
 */
export async function plainDump(pglite: PGlite): Promise<string> {
  const { pgDump } = await import('@electric-sql/pglite-tools/pg_dump')
  const dump = await (await pgDump({ pg: pglite, args: ['--no-owner', '--no-privileges'] })).text()
  // On a server the session would end here; in PGlite its transaction and settings would stay.
  await pglite.exec('rollback')
  await pglite.exec('reset all')
  if (!dump.trimEnd().includes('PostgreSQL database dump complete', dump.length - 500)) {
    throw new RmbgError('DATABASE_ERROR', 'The dump of the embedded database is not complete.', {
      hint: 'Run the command again.',
    })
  }
  // Servers before 17 do not know the setting, and only psql knows the commands: the dump is sent as plain SQL.
  return dump.replace(/^SET transaction_timeout = .*;\n/m, '').replaceAll(/^\\(un)?restrict \w+\n/gm, '')
}

/**
 * An extension that somebody else created may not be commented on. Dumps begin with extensions, before any row that
 * could look like a statement.
 */
function withoutExtensionComments(dump: string): string {
  const end = dump.search(/^CREATE (?!EXTENSION )/m)
  if (end < 0) return dump
  return dump.slice(0, end).replaceAll(/^COMMENT ON EXTENSION .*;\n/gm, '') + dump.slice(end)
}

/**
 * Runs a plain dump in one transaction.
 *
 * @throws RmbgError of family `database`
 */
export async function restorePlain(sql: postgres.Sql, dump: Readable): Promise<void> {
  const statements = withoutExtensionComments(await text(dump))
  try {
    // Several statements sent together are one transaction.
    await sql.unsafe(statements)
    await sql`reset search_path`
  } catch (cause) {
    throw databaseError(cause)
  }
}
