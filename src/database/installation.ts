import type postgres from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from './contract.ts'
import { withDatabase } from './errors.ts'

/** A database as stores know it. */
export interface Installation {
  /** UUID. A database and a copy of it never share one. */
  id: string
  /** Where the database is, for people; never holds a password. */
  database: string
  /** The id of the database that this one is a copy of; null when it is none. */
  copiedFrom: string | null
}

interface InstallationRow {
  id: string
  origin: string
  copiedFrom: string | null
}

/**
 * The installation that a database is. The first call gives it an id. A copy of a database, however it was made, is
 * told by where it is now, and gets an id of its own.
 *
 * @throws RmbgError of family `database`
 */
export async function installationOf({
  sql,
  location,
  origin,
}: Pick<Database, 'sql' | 'location' | 'origin'>): Promise<Installation> {
  const here = await origin()
  for (;;) {
    const row = await installationRow(sql, here)
    if (row === undefined) continue // another run gave it an id just now
    if (isSameOrigin(row.origin, here)) {
      return { id: row.id, database: location, copiedFrom: row.copiedFrom }
    }
    await withDatabase(
      () => sql`
        update installation set id = ${uuidv7()}, origin = ${here}, copied_from = id, created_at = now()
        where origin = ${row.origin}`,
    )
  }
}

async function installationRow(sql: postgres.Sql, here: string): Promise<InstallationRow | undefined> {
  const [row] = await withDatabase(
    () => sql<InstallationRow[]>`select id, origin, copied_from as "copiedFrom" from installation`,
  )
  if (row) return row
  const [made] = await withDatabase(
    () => sql<InstallationRow[]>`
      insert into installation (id, origin) values (${uuidv7()}, ${here})
      on conflict do nothing returning id, origin, copied_from as "copiedFrom"`,
  )
  return made
}

/** Whether two origins may be the same place: a part that is unknown in one of them says nothing. */
function isSameOrigin(one: string, other: string): boolean {
  const [ones, others] = [one.split('/'), other.split('/')]
  return ones.every((part, index) => [part, '?'].includes(others[index] ?? '') || part === '?')
}
