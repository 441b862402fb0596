import { availableParallelism, totalmem } from 'node:os'
import { lastBackup } from '../backups.ts'
import type { Database } from '../contract.ts'
import { databaseError } from '../errors.ts'
import { one } from '../rows.ts'
import { withSession } from '../session.ts'
import { activityLooks } from './activity.ts'
import { cacheHits } from './cache-hits.ts'
import { fine, type HealthCheck, type HealthContext, type Look, type Machine } from './contract.ts'
import { counterLooks } from './counters.ts'
import { diskLook } from './disk.ts'
import { indexLook } from './indexes.ts'
import { blockCountsIn } from './last-look.ts'
import { isServerHere } from './place.ts'
import { queueLook } from './queues.ts'
import { replicationLooks } from './replication.ts'
import { serverLooks } from './server.ts'
import { machineText, settingsLook } from './settings.ts'
import { statementLook } from './statements.ts'
import { type Suggestion, suggestSettings } from './suggest.ts'
import { tableLooks } from './tables.ts'
import { judgeBy, type MovedThreshold } from './thresholds.ts'

export interface HealthOptions {
  /** Thresholds that are not as they are by default. */
  moved?: readonly MovedThreshold[]
  /** The server's machine, where it is not this one or is not to be taken as it is. */
  machine?: Partial<Machine>
  /** Where counts are kept until the next look; nowhere without it. */
  countsFolder?: string
  /** Of an embedded database. */
  databaseFolder?: string
}

const looks: readonly Look[] = [
  ...[...activityLooks, ...replicationLooks],
  ...[cacheHits, ...tableLooks, indexLook, queueLook, ...counterLooks, diskLook],
  ...[...serverLooks, statementLook, settingsLook],
]

/**
 * Looks at everything a DBA would, one thing after the other. What this role may not see is `unknown`, with the GRANT
 * that would show it; it stops no other look.
 *
 * @throws RmbgError DATABASE_UNAVAILABLE when the server does not answer at all
 */
export const checkHealth = (database: Database, options: HealthOptions = {}): Promise<HealthCheck[]> =>
  withContext(database, options, lookAtAll)

export interface SettingsAdvice {
  suggestions: Suggestion[]
  /** The machine that they are for, for people. */
  machine: string
}

/**
 * Settings of the server that differ from what its machine and load ask for. A standby and a role without any right
 * get an answer as well.
 *
 * @throws RmbgError of family `database`
 */
export const adviseSettings = (database: Database, options: HealthOptions = {}): Promise<SettingsAdvice> =>
  withContext(database, options, async (context) => ({
    suggestions: await suggestSettings(context),
    machine: machineText(context),
  }))

async function withContext<T>(
  database: Database,
  options: HealthOptions,
  ask: (context: HealthContext) => Promise<T>,
): Promise<T> {
  if (database.kind === 'embedded') return ask(await openContext(database, database.sql, options))
  return withSession(database.sql, async (session) => {
    // A question about a locked table must not wait for it like everything else.
    await session`select set_config('lock_timeout', '1s', false), set_config('statement_timeout', '30s', false)`
    const answer = await ask(await openContext(database, session, options))
    await session`reset lock_timeout`
    await session`reset statement_timeout`
    return answer
  })
}

async function lookAtAll(context: HealthContext): Promise<HealthCheck[]> {
  const checks: HealthCheck[] = []
  for (const { name, serverOnly, primaryOnly, look } of looks) {
    if (serverOnly && context.kind === 'embedded') continue
    if (primaryOnly && context.isStandby) {
      checks.push({ name, ...fine('This is a standby: its primary is to be asked.') })
      continue
    }
    try {
      checks.push({ name, ...(await look(context)) })
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

async function openContext(
  database: Database,
  sql: HealthContext['sql'],
  { moved = [], machine, countsFolder, databaseFolder = '' }: HealthOptions,
): Promise<HealthContext> {
  const { kind } = database
  // PGlite counts, but no background process flushes the counters.
  if (kind === 'embedded') await sql`select pg_stat_force_next_flush()`
  const role = one(
    await sql<Pick<HealthContext, 'version' | 'isStandby' | 'seesAll' | 'role'>[]>`
      select current_setting('server_version_num')::integer / 10000 as version,
        pg_is_in_recovery() as "isStandby", pg_has_role(current_user, 'pg_monitor', 'member') as "seesAll",
        quote_ident(current_user) as role`.catch((cause) => Promise.reject(databaseError(cause))),
  )
  const isHere = kind === 'embedded' || (await isServerHere(sql))
  return {
    ...{ sql, kind, ...role, isHere, moved },
    grantMonitor: `GRANT pg_monitor TO ${role.role}`,
    lastBackup: await lastBackup(sql),
    machine: {
      memoryBytes: machine?.memoryBytes ?? (isHere ? totalmem() : undefined),
      cores: machine?.cores ?? (isHere ? availableParallelism() : undefined),
    },
    judge: judgeBy(moved),
    blocks:
      countsFolder === undefined || kind === 'embedded'
        ? undefined
        : blockCountsIn(countsFolder, `${await database.origin()} ${database.location}`),
    folder: databaseFolder,
  }
}
