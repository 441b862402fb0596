/** A standby that questions are asked of instead of the primary: is it one of this database, and how far is it behind? */
import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import type { ServerDatabase } from './contract.ts'
import { databaseError, patiently } from './errors.ts'
import { assertMigrated } from './migrate.ts'
import { assertSameDatabase } from './pooler.ts'
import { one } from './rows.ts'

/** A replica that answers, as it was when it was opened. */
export interface ReplicaState {
  /** For people; never holds a password. */
  location: string
  /** Age of the last transaction that it has and of which newer ones are missing; null where the primary is away. */
  lagSeconds: number | null
  /** WAL of the primary that it has not replayed; null where the primary is away. */
  lagBytes: number | null
}

/** A replica that follows has what the primary had a moment ago. */
const looks = 4
const pauseMs = 50

/**
 * Looks whether a replica may be asked instead of the primary. Nothing is written to either of them.
 *
 * @throws RmbgError REFUSED when it is another database; of family `database` when it does not answer or lacks
 *   migrations
 */
export async function lookAtReplica(replica: ServerDatabase, primary: ServerDatabase): Promise<ReplicaState> {
  const { location } = replica
  await replica.isPooled() // before a statement is prepared
  await assertMigrated(replica.sql)
  const written = await writtenBy(primary)
  if (written === undefined) return { location, lagSeconds: null, lagBytes: null }
  await assertSameDatabase(primary, replica, {
    variable: 'DATABASE_REPLICA_URL',
    hint: 'It has to lead to a streaming standby of the server in DATABASE_URL.',
  })
  return { location, ...(await lagBehind(replica.sql, written)) }
}

/** @returns the end of its WAL; undefined where it is away */
async function writtenBy(primary: ServerDatabase): Promise<string | undefined> {
  try {
    await primary.isPooled()
    const rows = await patiently(
      () => primary.sql<{ end: string }[]>`
        select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text as end`,
    )
    return one(rows).end
  } catch (cause) {
    const error = databaseError(cause)
    if (error.code === 'DATABASE_UNAVAILABLE') return undefined
    throw error
  }
}

async function lagBehind(
  sql: postgres.Sql,
  written: string,
): Promise<Pick<ReplicaState, 'lagSeconds' | 'lagBytes'>> {
  for (let look = 1; ; look++) {
    const rows = await patiently(
      () => sql<{ bytes: number; seconds: number | null }[]>`
        select case when pg_is_in_recovery()
            then greatest(pg_wal_lsn_diff(${written}::text::pg_lsn, pg_last_wal_replay_lsn()), 0) else 0 end::float8 as bytes,
          extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8 as seconds`,
    )
    const { bytes, seconds } = one(rows)
    if (bytes === 0) return { lagSeconds: 0, lagBytes: 0 }
    if (look === looks) return { lagSeconds: seconds, lagBytes: bytes }
    await sleep(pauseMs)
  }
}
