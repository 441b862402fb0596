/**
 * The queue of shards: pg-boss, in a schema of its own beside the log, asked through our own connections. So a shard and
 * what the log says of it are written in one transaction.
 */
import type { CommandResponse, Db, PgBoss } from 'pg-boss'
import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import type { Database, ServerDatabase } from './contract.ts'
import { connectionIsLost, databaseError, patiently, withDatabase } from './errors.ts'
import { grantRoles } from './grants.ts'
import { one } from './rows.ts'
import { withSession } from './session.ts'

/** What pg-boss keeps its tables in. */
const queueSchema = 'pgboss'

/** A worker that gives no sign for so long has lost its shards, in seconds. */
export const heartbeatSeconds = Math.max(10, Math.ceil(Number(process.env.RMBG_LEASE_MS ?? 60_000) / 1000))
/** How often somebody looks for such workers. */
const monitorSeconds = Math.max(5, heartbeatSeconds / 2)
/** As good as never: pictures that nobody has taken yet must not vanish. */
const foreverSeconds = 10 * 365 * 86_400
/** The longest that pg-boss allows; a worker that lives gives its heartbeat, and gives back what takes longer. */
const longestShardSeconds = 86_400

/** Something in a queue, as it was fetched. */
export interface Fetched<Data> {
  id: string
  /** How many workers had it before and did not end it. */
  retryCount: number
  data: Data
}

export interface NewShard {
  data: object
  priority: number
  /** Not before so many seconds. */
  delaySeconds?: number
}

export interface Queue {
  /**
   * Makes queues unless they are there.
   *
   * @param queues by name: how often a shard may lose its worker before it goes to the dead-letter queue, which comes first
   */
  create(queues: readonly { name: string; retryLimit: number; deadLetter?: string }[]): Promise<void>
  /** @param transaction in which they are added */
  add(transaction: postgres.Sql, name: string, shards: readonly NewShard[]): Promise<void>
  fetch<Data>(name: string): Promise<Fetched<Data> | undefined>
  /** @returns false when the shard is somebody else's by now */
  touch(name: string, shard: Fetched<unknown>): Promise<boolean>
  /** Takes a shard out of the queue. @returns false when it is somebody else's by now */
  remove(transaction: postgres.Sql, name: string, shard: Fetched<unknown>): Promise<boolean>
  /** Takes shards from workers that give no sign of life. Costs a look where another one has just done it. */
  supervise(name: string): Promise<void>
  /** Removes what nobody has taken yet. */
  clear(name: string): Promise<void>
  /** Brings dead letters back to where they came from. @returns how many */
  redrive(name: string): Promise<number>
  close(): Promise<void>
}

/** What a fleet says without a server. */
export const needsServer = (): RmbgError =>
  new RmbgError(
    'USAGE',
    'A fleet shares its work through a PostgreSQL server, and DATABASE_URL is not set.',
    {
      hint: 'Set DATABASE_URL. On one machine, rmbg process does the same work without a queue.',
    },
  )

/** @throws RmbgError USAGE */
export function assertFleet(database: Database): asserts database is ServerDatabase {
  if (database.kind !== 'server') throw needsServer()
}

/** The oldest release that pg-boss 12 supports. */
const oldestNode = [22, 12] as const

/** @throws RmbgError USAGE on a Node that is too old, or where pg-boss is not installed */
async function loadEngine(): Promise<typeof import('pg-boss')> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])) {
    throw new RmbgError(
      'USAGE',
      `The fleet's commands need Node ${oldestNode.join('.')} or newer, and this is ${process.versions.node}.`,
      { hint: 'All other commands run on this one.' },
    )
  }
  return import('pg-boss').catch((cause) => {
    throw new RmbgError('USAGE', 'pg-boss, which the fleet works with, is not installed.', {
      hint: 'npm install pg-boss@12',
      cause,
    })
  })
}

/** Whether the queue's tables are there, of whatever release. */
export async function isQueueInstalled(sql: postgres.Sql): Promise<boolean> {
  const rows = await withDatabase<{ found: boolean }>(
    () => sql`select to_regclass(${`${queueSchema}.version`}) is not null as found`,
  )
  return one(rows).found
}

/**
 * Opens the queue. Whoever opens it does not make its tables, so that eight workers do not do so at once.
 *
 * @param options.install makes them, or brings them to the release of this program, and lets those use them who may use
 *   the log
 * @throws RmbgError USAGE where the fleet cannot run; DATABASE_NOT_MIGRATED without its tables; of family `database`
 */
export async function openQueue(database: Database, { install = false } = {}): Promise<Queue> {
  assertFleet(database)
  const engine = await loadEngine()
  const { sql } = database
  const boss = new engine.PgBoss({
    db: connectionTo(sql),
    schema: queueSchema,
    migrate: install,
    createSchema: install,
    // What it does in the background, a worker does when it knows that the database was there all the time.
    supervise: false,
    schedule: false,
    registerInstance: false,
    reindex: false,
    monitorVacuum: false,
    monitorIntervalSeconds: monitorSeconds,
  })
  boss.on('error', () => {}) // whoever asked is told of it
  const isNew = install && !(await isQueueInstalled(sql))
  await patiently(() => boss.start()).catch((error) => Promise.reject(notInstalled(error)))
  if (isNew) await grantRoles(sql, { writers: [], readers: [] })
  return queueOf(boss)
}

/**
 * Brings the queue's tables to the release of this program, where there are any.
 *
 * @param options.create makes them where there are none
 * @returns whether they are there; false too where this Node or this installation cannot run the fleet
 */
export async function installQueue(database: Database, { create }: { create: boolean }): Promise<boolean> {
  if (database.kind !== 'server') return false
  const isWanted = create || (await isQueueInstalled(database.sql))
  const runs = isWanted && (await loadEngine().catch(() => undefined))
  if (!runs) return false
  await (await openQueue(database, { install: true })).close()
  return true
}

function notInstalled(error: unknown): unknown {
  const { message } = ((error as RmbgError).cause ?? error) as Error
  if (!/pg-boss (is not installed|database requires migrations)/.test(message)) return error
  return new RmbgError('DATABASE_NOT_MIGRATED', 'The database has no queue of this release yet.', {
    hint: 'rmbg enqueue makes it, and rmbg migrate brings it up to date.',
    cause: error,
  })
}

const queueOf = (boss: PgBoss): Queue => ({
  create: async (queues) => {
    for (const { name, ...options } of queues) {
      await patiently(() =>
        boss.createQueue(name, {
          ...options,
          heartbeatSeconds,
          expireInSeconds: longestShardSeconds,
          retentionSeconds: foreverSeconds,
        }),
      )
    }
  },
  add: async (transaction, name, shards) => {
    const jobs = shards.map(({ data, priority, delaySeconds }) => ({
      data,
      priority,
      ...(delaySeconds !== undefined && { startAfter: delaySeconds }),
    }))
    await boss.insert(name, jobs, { db: connectionTo(transaction) })
  },
  fetch: async <Data>(name: string) => {
    const [job] = await patiently(() => boss.fetch<Data>(name))
    return job && { id: job.id, retryCount: job.retryCount, data: job.data }
  },
  touch: async (name, shard) => isOurs(await patiently(() => boss.touch(name, attemptOf(shard)))),
  remove: async (transaction, name, shard) =>
    isOurs(await boss.deleteJob(name, attemptOf(shard), { db: connectionTo(transaction) })),
  supervise: async (name) => patiently(() => boss.supervise(name)),
  clear: async (name) => void (await patiently(() => boss.deleteQueuedJobs(name))),
  redrive: async (name) => {
    let moved = 0
    for (;;) {
      const now = await patiently(() => boss.redrive(name))
      if (now === 0) return moved
      moved += now
    }
  },
  close: () => boss.stop({ graceful: false, close: false }),
})

/** Of one attempt at one shard. pg-boss 12.38 does not tell its types what it answers. */
const isOurs = (response: CommandResponse): boolean => (response as { affected: number }).affected > 0

const attemptOf = ({ id, retryCount }: Fetched<unknown>) => ({ id, retryCount })

/** Our client as pg-boss asks questions. */
function connectionTo(sql: postgres.Sql): Db {
  const ask = async (on: postgres.Sql, text: string, values: readonly unknown[]) => {
    const parameters = values.map((value, index) => parameter(on, text, value, index + 1))
    const answer = (await on.unsafe(text, parameters as never[])) as unknown as unknown[]
    // Several statements have several answers.
    return { rows: answer.some(Array.isArray) ? answer.flat() : [...answer] }
  }
  return {
    executeSql: (text, values = []) =>
      // A transaction of its own needs a connection of its own.
      /^\s*begin\b/i.test(text)
        ? withSession(sql, (session) =>
            ask(session, text, values).catch(async (cause) => {
              if (!connectionIsLost(databaseError(cause))) await session`rollback`
              throw cause
            }),
          )
        : ask(sql, text, values),
  }
}

/** The oid of `text`. */
const textType = 25

/** postgres.js 3.4.9 would make JSON of text that is JSON already, and does not know arrays without `fetch_types`. */
function parameter(sql: postgres.Sql, statement: string, value: unknown, place: number): unknown {
  if (value === undefined || value === null) return null
  if (Array.isArray(value)) return arrayText(value)
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'object') return sql.typed(JSON.stringify(value) as never, textType)
  const isText =
    typeof value === 'string' && new RegExp(`\\$${place}::(?:json|jsonb|text)\\b`).test(statement)
  return isText ? sql.typed(value as never, textType) : value
}

const arrayText = (values: readonly unknown[]): string =>
  `{${values.map((value) => (value === null ? 'NULL' : `"${String(value).replaceAll(/["\\]/g, '\\$&')}"`)).join(',')}}`

/** @throws RmbgError of family `database` */
export async function inTransaction<T>(
  sql: postgres.Sql,
  act: (transaction: postgres.Sql) => Promise<T>,
): Promise<T> {
  try {
    return (await sql.begin((transaction) => act(transaction as unknown as postgres.Sql))) as T
  } catch (cause) {
    throw databaseError(cause)
  }
}
