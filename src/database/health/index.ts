import { availableParallelism, totalmem } from 'node:os'
import type postgres from 'postgres'
import { lastBackup } from '../backups.ts'
import type { Database } from '../contract.ts'
import { connectionIsLost, databaseError } from '../errors.ts'
import { one } from '../rows.ts'
import { withSession } from '../session.ts'
import { activityLooks } from './activity.ts'
import type { HealthCheck, HealthContext } from './contract.ts'
import { serverLooks } from './server.ts'
import { storageLooks } from './storage.ts'

/**
 * Looks at everything a DBA would, one thing after the other. What this role may not see is `unknown`, with the GRANT
 * that would show it; it stops no other look.
 *
 * @throws RmbgError DATABASE_UNAVAILABLE when the server does not answer at all
 */
export async function checkHealth(database: Database): Promise<HealthCheck[]> {
  if (database.kind === 'embedded') return lookAtAll(database, database.sql)
  return withSession(database.sql, (session) => lookAtAll(database, session))
}

async function lookAtAll(database: Database, sql: HealthContext['sql']): Promise<HealthCheck[]> {
  const bounded =
    database.kind === 'server' ? inBoundedTransaction : <T>(_: unknown, ask: () => Promise<T>) => ask()
  const context = await bounded(sql, () => openContext(database.kind, sql))
  const checks: HealthCheck[] = []
  for (const { name, serverOnly, look } of [...activityLooks, ...storageLooks, ...serverLooks]) {
    if (serverOnly && database.kind === 'embedded') continue
    try {
      checks.push({ name, ...(await bounded(sql, () => look(context))) })
    } catch (cause) {
      const error = databaseError(cause)
      if (error.code === 'DATABASE_UNAVAILABLE') throw error
      const summary = `Withheld: ${error.message}`
      checks.push({
        ...{ name, level: 'unknown', summary, details: [], metrics: [] },
        ...(error.code === 'DATABASE_DENIED' && { grant: context.grantMonitor }),
      })
    }
  }
  return checks
}

/**
 * A question about a locked table must not wait for it like everything else. The bounds are of a transaction: behind a
 * pooler others get the session next.
 */
async function inBoundedTransaction<T>(session: postgres.Sql, ask: () => Promise<T>): Promise<T> {
  await session`begin read only`
  await session`select set_config('lock_timeout', '1s', true), set_config('statement_timeout', '30s', true)`
  try {
    const answer = await ask()
    await session`commit`
    return answer
  } catch (cause) {
    if (!connectionIsLost(databaseError(cause))) await session`rollback`
    throw cause
  }
}

async function openContext(kind: Database['kind'], sql: HealthContext['sql']): Promise<HealthContext> {
  // PGlite counts, but no background process flushes the counters.
  if (kind === 'embedded') await sql`select pg_stat_force_next_flush()`
  const { version, seesAll, grantMonitor, local } = one(
    await sql`
      select current_setting('server_version_num')::integer / 10000 as version,
        pg_has_role(current_user, 'pg_monitor', 'member') as "seesAll",
        format('GRANT pg_monitor TO %I', current_user) as "grantMonitor",
        inet_server_addr() is null or inet_server_addr() = inet_client_addr() as local`.catch((cause) =>
      Promise.reject(databaseError(cause)),
    ),
  )
  return {
    ...{ sql, kind, version, seesAll, grantMonitor },
    lastBackup: await lastBackup(sql),
    machine: local ? { memoryBytes: totalmem(), cores: availableParallelism() } : undefined,
  }
}
