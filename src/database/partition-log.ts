/**
 * `rmbg migrate --partition`: turns a log in use into months. What takes long blocks nobody; what has to keep others away
 * is one short transaction (migrations/0042_convert_log.sql). Each step tells from the database whether it is done, so a
 * conversion that was killed goes on where it stopped.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import type { Database, MigrationLockOptions } from './contract.ts'
import { databaseError, withDatabase } from './errors.ts'
import { ensurePartitions, isPartitioned, lookAgain } from './partitions.ts'
import { one } from './rows.ts'
import { withSession } from './session.ts'

/** Whoever wants the log waits for this long at most while the conversion waits for it; then others come first. */
const lockWaitMs = 100
const pauseMs = 2000
const tryForMs = 10 * 60_000
/** Jobs whose keys are noted in one statement, some seconds: the more, the fewer changes of a page of the index. */
const pageJobs = 50_000
/** Before PostgreSQL 14 no partition can be taken out while others work, and triggers of rows are missing. */
const leastVersion = 14

/** How far a log is on its way to months. */
export interface PartitionFigures {
  /** `one table`; `converted`: months, and keys are still to be noted; `done`. */
  state: 'one table' | 'converted' | 'done'
  /** Jobs in the log, an estimate; and bytes of jobs and tags with their indexes. */
  jobs: number
  bytes: number
  /** ISO 8601: the jobs before go into one partition. Absent once that is done. */
  before?: string
  /** What others have made of the log, and would be lost. */
  obstacles: string[]
}

export interface PartitionOptions extends MigrationLockOptions {
  /** Told what is done next. */
  onStep?: (sentence: string) => void
  /** Told once, when the log is in use. */
  onBlocked?: (sentence: string) => void
  /** Tests bring their own. */
  before?: Date
}

export interface PartitionResult {
  /** Milliseconds for which everybody else was kept away; absent where the log was converted before. */
  lockedMs?: number
  /** Months that were made, such as `2027_01`. */
  months: string[]
  /** Jobs whose keys were noted. */
  noted: number
}

/** @throws RmbgError USAGE for an embedded database, DATABASE_ERROR for a server that is too old */
export async function assertCanPartition(database: Database): Promise<void> {
  if (database.kind === 'embedded') {
    throw new RmbgError(
      'USAGE',
      'The embedded database keeps its log in one table: partitions are for servers.',
      {
        hint: 'docs/backup.md says how to move to a server.',
      },
    )
  }
  const { version } = one(
    await withDatabase<{ version: number }>(
      () => database.sql`select current_setting('server_version_num')::integer / 10000 as version`,
    ),
  )
  if (version >= leastVersion) return
  throw new RmbgError(
    'DATABASE_ERROR',
    `PostgreSQL ${version} cannot take partitions out while others work, so its log stays one table.`,
    { hint: `Update the server to PostgreSQL ${leastVersion} or newer.` },
  )
}

/**
 * What a conversion would do. Reads only.
 *
 * @throws RmbgError where the database cannot be partitioned, and of family `database`
 */
export async function planPartition(database: Database, before?: Date): Promise<PartitionFigures> {
  const { sql } = database
  await assertCanPartition(database)
  lookAgain(sql)
  const { jobs, bytes } = one(
    await withDatabase<{ jobs: number; bytes: number }>(
      () => sql`
        select sum(greatest(c.reltuples, 0)) filter (where c.relname like 'image_process_jobs%')::float8 as jobs,
          sum(pg_total_relation_size(c.oid))::float8 as bytes
        from unnest('{image_process_jobs,image_tags}'::regclass[]) whole
        cross join lateral (
          select whole::oid as oid union all select inhrelid from pg_inherits where inhparent = whole
        ) t join pg_class c on c.oid = t.oid`,
    ),
  )
  if (await isPartitioned(sql)) {
    const { done } = one(
      await withDatabase<{ done: boolean }>(
        () => sql`select coalesce(bool_and(keys_in_use), true) as done from log_conversion`,
      ),
    )
    return { state: done ? 'done' : 'converted', jobs, bytes, obstacles: [] }
  }
  const obstacles = await withDatabase<{ what: string }>(
    () => sql`select what from conversion_obstacles() what`,
  )
  return {
    ...{ state: 'one table', jobs, bytes, before: await boundOf(sql, before) },
    obstacles: obstacles.map(({ what }) => what),
  }
}

/** The end of this month, or of the next one where that is near: ids go on being made while rows are checked. */
async function boundOf(sql: postgres.Sql, before: Date | undefined): Promise<string> {
  if (before) return before.toISOString()
  const { bound } = one(
    await withDatabase<{ bound: string }>(
      () => sql`
        select to_char(utc_month(now() + interval '3 days', 1) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as bound`,
    ),
  )
  return bound
}

/**
 * Converts the log, or goes on where an earlier conversion stopped. Runs go on meanwhile.
 *
 * @throws RmbgError REFUSED when there is something on the log that would be lost, or a job from a clock that is far
 *   ahead; when the log was in use for ten minutes without a gap; and of family `database`
 */
export async function partitionLog(
  database: Database,
  options: PartitionOptions = {},
): Promise<PartitionResult> {
  const figures = await planPartition(database, options.before)
  assertNothingIsLost(figures)
  const lock = await database.lockMigrations(options)
  lookAgain(database.sql)
  try {
    return await withSession(database.sql, async (connection) => {
      const result: PartitionResult = { months: [], noted: 0 }
      if (figures.before !== undefined && !(await isPartitioned(database.sql))) {
        await checkIds(connection, figures.before, options)
        await lock.assertHeld()
        result.lockedMs = await convert(connection, options)
        lookAgain(database.sql)
        await failPoint('partition:converted')
      }
      result.months = await ensurePartitions(connection)
      result.noted = await noteKeys(connection, lock, options)
      // Nobody else looks at the rows of a partitioned table as a whole.
      if (result.lockedMs !== undefined)
        for (const table of tables) await connection`analyze ${connection(table)}`
      return result
    })
  } finally {
    await lock.release()
  }
}

function assertNothingIsLost({ obstacles }: PartitionFigures): void {
  if (obstacles.length === 0) return
  throw new RmbgError('REFUSED', `The log has what would be lost or left behind: ${obstacles.join('; ')}.`, {
    hint: 'Drop it, convert the log, and make it again on the partitioned table.',
  })
}

const tables = ['image_process_jobs', 'image_tags'] as const
const checkOf = (table: string): string => `${table}_past_ids`

/** Makes sure, by a check on each table, that all ids are below the bound: attaching them then reads nothing. */
async function checkIds(
  connection: postgres.ReservedSql,
  before: string,
  options: PartitionOptions,
): Promise<void> {
  options.onStep?.('Reading all jobs once, to be sure of their ids; nobody is blocked.')
  const { bound, late } = one(
    await connection<{ bound: string; late: string | null }[]>`
      select uuid7_floor(${before}::text::timestamptz)::text as bound,
        (select job_id::text from image_process_jobs where job_id >= uuid7_floor(${before}::text::timestamptz)
          order by job_id desc limit 1) as late`,
  )
  if (late !== null) {
    throw new RmbgError(
      'REFUSED',
      `Job ${late} has an id of the future, from a machine with a wrong clock.`,
      {
        hint: 'Delete it, or convert the log when that time has come.',
      },
    )
  }
  await connection`select prepare_conversion()`
  for (const table of tables) {
    const [found] = await connection<{ definition: string; isValid: boolean }[]>`
      select pg_get_constraintdef(oid) as definition, convalidated as "isValid" from pg_constraint
      where conrelid = ${table}::regclass and conname = ${checkOf(table)}`
    const isCurrent = found?.definition.includes(`'${bound}'`) ?? false
    if (!isCurrent) {
      const drop = found ? `drop constraint ${checkOf(table)}, ` : ''
      await inTries(connection, options, () =>
        connection.unsafe(
          `alter table ${table} ${drop}add constraint ${checkOf(table)} check (job_id < '${bound}') not valid`,
        ),
      )
    }
    await failPoint('partition:checking')
    if (!isCurrent || !found?.isValid)
      await connection`alter table ${connection(table)} validate constraint ${connection(checkOf(table))}`
  }
  await failPoint('partition:checked')
}

/** @returns milliseconds for which others were kept away */
async function convert(connection: postgres.ReservedSql, options: PartitionOptions): Promise<number> {
  options.onStep?.('Turning the log into months; everybody waits for a moment.')
  let lockedAt = 0
  await inTries(connection, options, async () => {
    const { bound } = one(
      await connection<{ bound: string }[]>`
        select substring(pg_get_constraintdef(oid) from '''([0-9a-f-]{36})''') as bound from pg_constraint
        where conrelid = 'image_process_jobs'::regclass and conname = ${checkOf('image_process_jobs')} and convalidated`,
    )
    await lockLog(connection)
    lockedAt = performance.now()
    await connection`select convert_log(${bound}::uuid)`
    await failPoint('partition:converting')
  })
  return Math.round(performance.now() - lockedAt)
}

/** Views first: whoever asks one has it before the tables, and would wait for these while this waited for the view. */
async function lockLog(connection: postgres.ReservedSql): Promise<void> {
  const { names } = one(
    await connection<{ names: string }[]>`
      select concat_ws(', ', (select string_agg(name, ', ') from log_views()), 'image_process_jobs', 'image_tags', (
        select string_agg(distinct conrelid::regclass::text, ', ') from pg_constraint
        where contype = 'f' and confrelid = 'image_process_jobs'::regclass and conrelid <> 'image_tags'::regclass
      )) as names`,
  )
  await connection.unsafe(`lock table ${names} in access exclusive mode`)
  // Only the waiting is limited: nobody else has any of these now.
  await connection`set local statement_timeout = 0`
}

/**
 * Does something in a transaction that needs a strong lock: it waits for a moment, lets others pass, and tries again.
 *
 * @throws RmbgError of family `database`, when that did not succeed for ten minutes as well
 */
async function inTries(
  connection: postgres.ReservedSql,
  { signal, onBlocked }: PartitionOptions,
  change: () => PromiseLike<unknown>,
): Promise<void> {
  const until = Date.now() + tryForMs
  for (let isFirst = true; ; isFirst = false) {
    try {
      await connection`begin`
      // Of the whole statement: it may have to wait for several tables.
      await connection`select set_config('statement_timeout', ${`${lockWaitMs}ms`}, true)`
      await change()
      await connection`commit`
      return
    } catch (cause) {
      const error = databaseError(cause)
      if (error.code === 'DATABASE_UNAVAILABLE') throw error
      await connection`rollback`
      if (!['55P03', '57014', '40P01'].includes((error.cause as { code?: string })?.code ?? '')) throw error
      if (Date.now() >= until) throw inUse(error)
    }
    if (isFirst)
      onBlocked?.('The log is in use. It is tried again every few seconds, so that nobody has to wait.')
    await sleep(pauseMs, undefined, signal && { signal })
  }
}

const inUse = (cause: RmbgError): RmbgError =>
  new RmbgError('DATABASE_ERROR', 'The log was in use for ten minutes without a gap.', {
    hint: 'Run it again when no backup or long query is at work: it goes on where it stopped.',
    cause,
  })

/**
 * Notes the short keys of the jobs that were there before the conversion, page by page, and then looks things up by them.
 *
 * @returns for how many jobs
 */
async function noteKeys(
  connection: postgres.ReservedSql,
  lock: { assertHeld(): Promise<void> },
  options: PartitionOptions,
): Promise<number> {
  let noted = 0
  const [left] = await connection`select 1 from log_conversion where keys_to is not null`
  if (left) options.onStep?.('Noting the keys of all jobs, for look-ups in one place; nobody is blocked.')
  for (let page = left ? pageJobs : 0; page > 0; ) {
    options.signal?.throwIfAborted()
    ;({ page } = one(await connection<{ page: number }[]>`select note_keys_of_past(${pageJobs}) as page`))
    noted += page
    await failPoint('partition:noted')
  }
  await lock.assertHeld()
  await inTries(connection, options, async () => {
    const [due] = await connection`select 1 from log_conversion where not keys_in_use`
    if (!due) return
    await lockLog(connection)
    await connection`select use_known_keys()`
  })
  return noted
}
