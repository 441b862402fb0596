/** Settings of the server, compared with what its machine and the load of this program ask for. */
import { sizeText } from '../../bytes.ts'
import { one } from '../rows.ts'
import type { HealthContext, HealthLevel, Machine } from './contract.ts'

export interface Suggestion {
  setting: string
  /** As SHOW gives it. */
  current: string
  /** As postgresql.conf takes it; null where it cannot be told without the memory of the server. */
  value: string | null
  reason: string
  /** `ok`: it would be better, and nothing is wrong. */
  level: HealthLevel
  needsRestart: boolean
}

interface Setting {
  name: string
  /** Of a size: bytes. Of another number: itself. */
  number: number
  text: string
  /** As SHOW gives it. */
  shown: string
  needsRestart: boolean
}

/** What the settings are compared with. */
export interface Demand {
  machine: Machine
  /** Connections in use at this moment. */
  connections: number
  /** Bytes of the largest table. */
  largestTable: number
  /** Since the counters were reset: checkpoints that came because `max_wal_size` was full, and all of them. */
  forcedCheckpoints: number
  checkpoints: number
}

const MiB = 2 ** 20
const GiB = 2 ** 30

const names = [
  ...['max_connections', 'max_worker_processes', 'max_parallel_workers', 'max_parallel_workers_per_gather'],
  ...['shared_buffers', 'work_mem', 'maintenance_work_mem', 'wal_level', 'synchronous_commit'],
  ...['autovacuum', 'fsync', 'full_page_writes', 'wal_compression', 'max_wal_size'],
]

type Proposal = Pick<Suggestion, 'value' | 'reason' | 'level'> | undefined
type Settings = (name: string) => Setting
type Rule = (settings: Settings, demand: Demand) => Proposal

/** In steps that people write: whole GB, 128 MB or 16 MB. PostgreSQL counts in 1024. */
function size(bytes: number): string {
  const step = bytes >= 1.5 * GiB ? GiB : bytes >= GiB / 2 ? GiB / 8 : 16 * MiB
  const rounded = Math.max(Math.round(bytes / step) * step, 16 * MiB)
  return rounded % GiB === 0 ? `${rounded / GiB}GB` : `${rounded / MiB}MB`
}

/** Something is wrong with any other value. */
const must =
  (name: string, bad: readonly string[], value: string, level: HealthLevel, reason: string): Rule =>
  (settings) =>
    bad.includes(settings(name).text) ? { value, level, reason } : undefined

const sharedBuffers: Rule = (settings, { machine: { memoryBytes } }) => {
  const { number } = settings('shared_buffers')
  if (memoryBytes === undefined) {
    return number <= 128 * MiB
      ? {
          ...{ value: null, level: 'warn' },
          reason: "a quarter of the server's memory; this is what PostgreSQL ships with",
        }
      : undefined
  }
  const wanted = Math.min(memoryBytes / 4, 16 * GiB)
  if (number >= wanted / 2 && number <= memoryBytes / 2) return undefined
  return {
    value: size(wanted),
    level: 'warn',
    reason:
      number < wanted
        ? `a quarter of the server's memory of ${sizeText(memoryBytes)}: blocks are found there and not read again`
        : `a quarter of the server's memory of ${sizeText(memoryBytes)}: with more than half of it, nothing is left for the file cache and for sorting`,
  }
}

const workMem: Rule = (settings, { machine: { memoryBytes } }) => {
  const { number } = settings('work_mem')
  const connections = settings('max_connections').number
  // Statistics sort some ten MB. All connections may sort at once, and must not take more than a quarter together.
  const affordable = memoryBytes === undefined ? 16 * MiB : memoryBytes / 4 / connections
  const wanted = Math.max(Math.min(16 * MiB, affordable), 4 * MiB)
  if (memoryBytes !== undefined && number > wanted && number * connections > memoryBytes) {
    return {
      ...{ value: `${Math.floor(Math.max(affordable / MiB, 4))}MB`, level: 'warn' },
      reason: `${connections} connections that sort at once would take ${sizeText(number * connections)}, more than there is`,
    }
  }
  if (number >= wanted) return undefined
  return {
    ...{ value: `${Math.floor(wanted / MiB)}MB`, level: number < 4 * MiB ? 'warn' : 'ok' },
    reason: 'statistics of a long period and pages of jobs sort in memory, not on disk',
  }
}

const maintenanceWorkMem: Rule = (settings, { machine: { memoryBytes }, largestTable }) => {
  const { number } = settings('maintenance_work_mem')
  const affordable = memoryBytes === undefined ? 256 * MiB : Math.min(memoryBytes / 16, GiB)
  // A table that fits needs no more than itself.
  const wanted = Math.max(Math.min(affordable, Math.max(largestTable / 4, 64 * MiB)), 64 * MiB)
  if (number >= 64 * MiB && number >= wanted / 1.5) return undefined
  return {
    ...{ value: size(wanted), level: number < 64 * MiB ? 'warn' : 'ok' },
    reason: `the largest table takes up ${sizeText(largestTable)}: with little memory, vacuum and REINDEX go over its indexes several times`,
  }
}

/** What `rmbg process` opens at most. */
const connectionsOfRun = 10

const maxConnections: Rule = (settings, { connections, machine: { memoryBytes } }) => {
  const { number } = settings('max_connections')
  const wanted = Math.max(Math.ceil((connections * 1.5) / 50) * 50, 100)
  if (connections + connectionsOfRun > 0.8 * number && wanted > number) {
    return {
      ...{ value: String(wanted), level: connections > 0.8 * number ? 'warn' : 'ok' },
      reason: `${connections} are in use, and each run takes up to ${connectionsOfRun} more; a pooler such as PgBouncer is the other way`,
    }
  }
  // About 10 MB for each session that works.
  const affordable = memoryBytes === undefined ? number : memoryBytes / 4 / (10 * MiB)
  if (number <= Math.max(affordable, 100) || number <= wanted) return undefined
  return {
    ...{ value: String(Math.max(wanted, Math.floor(affordable / 50) * 50)), level: 'ok' },
    reason: `${connections} are in use; ${number} that work at once need about ${sizeText(number * 10 * MiB)} of memory`,
  }
}

const parallelWorkers: Rule = (settings, { machine: { cores } }) => {
  const { number } = settings('max_parallel_workers')
  const wanted = Math.min(cores ?? number, 8)
  if (number >= wanted) return undefined
  return { value: String(wanted), level: 'warn', reason: `the server has ${cores} cores` }
}

const workerProcesses: Rule = (settings, { machine: { cores } }) => {
  const { number } = settings('max_worker_processes')
  const workers = Math.max(settings('max_parallel_workers').number, Math.min(cores ?? 0, 8))
  if (number >= workers) return undefined
  return {
    ...{ value: String(workers), level: 'warn' },
    reason: `parallel workers are taken out of these, and ${workers} are wanted`,
  }
}

const workersPerGather: Rule = (settings, { machine: { cores } }) => {
  const { number } = settings('max_parallel_workers_per_gather')
  const wanted = cores === undefined ? 2 : Math.min(4, Math.max(1, Math.floor(cores / 2)))
  if (number >= wanted || cores === 1) return undefined
  return {
    ...{ value: String(wanted), level: number === 0 ? 'warn' : 'ok' },
    reason:
      number === 0
        ? 'counting and backups use one core'
        : `counting over the whole log uses ${wanted} more cores`,
  }
}

/** Fewer than these tell nothing: a backup or a shutdown asks for one, too. */
const tellingCheckpoints = 10

const maxWalSize: Rule = (settings, { forcedCheckpoints, checkpoints }) => {
  const wanted = 4 * GiB
  const { number } = settings('max_wal_size')
  if (number >= wanted || checkpoints < tellingCheckpoints || forcedCheckpoints < checkpoints / 2)
    return undefined
  return {
    ...{ value: size(wanted), level: 'ok' },
    reason: `${forcedCheckpoints} of ${checkpoints} checkpoints came because it was full: after each, every page that changes is written to the WAL as a whole`,
  }
}

const rules: Record<string, Rule> = {
  fsync: must('fsync', ['off'], 'on', 'crit', 'a crash of the machine destroys the database'),
  full_page_writes: must('full_page_writes', ['off'], 'on', 'crit', 'a torn page is not repaired'),
  autovacuum: must('autovacuum', ['off'], 'on', 'crit', 'tables swell and transaction ids run out'),
  synchronous_commit: must(
    ...(['synchronous_commit', ['off', 'local'], 'on', 'warn'] as const),
    'after a crash of the server jobs that were told completed may be gone, their objects then have no row (rmbg orphans finds them)',
  ),
  wal_level: must(
    ...(['wal_level', ['minimal'], 'replica', 'warn'] as const),
    'neither archiving nor a standby works with minimal',
  ),
  wal_compression: must(
    ...(['wal_compression', ['off'], 'on', 'ok'] as const),
    'whole pages are the largest part of the WAL of a job; compressed they take up less than half',
  ),
  max_wal_size: maxWalSize,
  max_connections: maxConnections,
  shared_buffers: sharedBuffers,
  work_mem: workMem,
  maintenance_work_mem: maintenanceWorkMem,
  max_worker_processes: workerProcesses,
  max_parallel_workers: parallelWorkers,
  max_parallel_workers_per_gather: workersPerGather,
}

/** What differs from what machine and load ask for. */
export async function suggestSettings(context: HealthContext): Promise<Suggestion[]> {
  const { sql, machine, isStandby } = context
  const rows = await sql<Setting[]>`
    select name, setting as text, current_setting(name) as shown, context = 'postmaster' as "needsRestart",
      case when vartype in ('integer', 'real') then setting::float8
        * case unit when '8kB' then 8192 when 'kB' then 1024 when 'MB' then 1048576 else 1 end else 0 end as number
    from pg_settings where name in ${sql(names)}`
  const settings = new Map(rows.map((row) => [row.name, row]))
  const { countsApart } = one(
    await sql<{ countsApart: boolean }[]>`
      select to_regclass('pg_catalog.pg_stat_checkpointer') is not null as "countsApart"`,
  )
  // PostgreSQL 17 counts checkpoints in a view of their own.
  const counters = countsApart
    ? sql`(select num_requested as forced, num_timed as timed from pg_stat_checkpointer) c`
    : sql`(select checkpoints_req as forced, checkpoints_timed as timed from pg_stat_bgwriter) c`
  const load = one(
    await sql<Omit<Demand, 'machine'>[]>`
      select (select count(*) from pg_stat_activity where backend_type = 'client backend')::float8 as connections,
        coalesce(pg_table_size('image_process_jobs'), 0)::float8 as "largestTable",
        forced::float8 as "forcedCheckpoints", (forced + timed)::float8 as checkpoints
      from ${counters}`,
  )
  const setting = (name: string): Setting => {
    const found = settings.get(name)
    if (!found) throw new TypeError(`PostgreSQL has no setting ${name}`)
    return found
  }
  return Object.entries(rules).flatMap(([name, rule]): Suggestion[] => {
    const proposal = rule(setting, { machine, ...load })
    const { shown, needsRestart } = setting(name)
    // A standby needs at least as many as its primary, which decides.
    if (!proposal || (isStandby && /^max_(connections|worker_processes)$|^autovacuum$/.test(name))) return []
    return [{ setting: name, current: shown, needsRestart, ...proposal }]
  })
}
