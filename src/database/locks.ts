/**
 * Table `command_locks`: what one process at a time may do with a server. A lock is a row with a lease that its process
 * renews, so it holds behind a transaction pooler, where a session belongs to whoever asks next.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { ownerIsDead, processOwner } from '../system/owner.ts'
import type { Lock, LockName } from './contract.ts'
import { withDatabase } from './errors.ts'
import { leaseMs } from './leases.ts'

/**
 * Releases before this table held session advisory locks under these numbers. They cannot begin any more on a database
 * that has the table, but one that began before may still be at work.
 */
export const earlierKeys: Record<LockName, number> = { prune: 7_262_671_403, backup: 7_262_671_404 }

/** Who has a lock. */
export interface Holder {
  /** Such as `rmbg prune (process 4711 on web01)`. */
  who: string
  /** Such as `2026-11-26 15:04:05 UTC`. */
  since: string
}

/** Refused: somebody else has a lock. */
export const lockedBy = ({ who, since }: Holder, hint = 'Wait until it is done.'): RmbgError =>
  new RmbgError('REFUSED', `${who} has been at work on this database since ${since}.`, { hint })

/** What this process is, for others who find a lock taken. */
export const thisCommand = (): string => ['rmbg', process.argv[2]].filter(Boolean).join(' ')

/**
 * Takes a lock on a server, unless a live process has it. That of a process of this machine which is gone is taken at
 * once, that of another machine when its lease has ended.
 *
 * @throws RmbgError REFUSED naming who has it, and of family `database`
 */
export async function takeLock(sql: postgres.Sql, name: LockName): Promise<Lock> {
  const id = randomUUID()
  let gone: string | null = null
  for (let tries = 0; ; tries++) {
    if (await tryToTake(sql, name, { id, gone })) return heldLock(sql, name, id)
    const holder = await holderOf(sql, name)
    if (holder && !ownerIsDead(holder.owner)) throw lockedBy(holder)
    if (holder) gone = holder.id
    else if (tries < 5)
      await sleep(50 + Math.random() * 100) // somebody takes it or gives it back at this moment
    else throw await lockedBySession(sql, name)
  }
}

async function tryToTake(
  sql: postgres.Sql,
  name: LockName,
  { id, gone }: { id: string; gone: string | null },
): Promise<boolean> {
  const rows = await withDatabase(
    () => sql`
      with earlier as materialized (select pg_try_advisory_xact_lock(${earlierKeys[name]}::bigint) as is_free)
      insert into command_locks as l (name, lock_id, owner, command, taken_at, lease_until)
      select ${name}, ${id}, ${processOwner()}, ${thisCommand()}, clock_timestamp(),
        clock_timestamp() + ${leaseMs}::float8 * interval '1 millisecond'
      from earlier where is_free
      on conflict (name) do update
      set lock_id = excluded.lock_id, owner = excluded.owner, command = excluded.command,
        taken_at = excluded.taken_at, lease_until = excluded.lease_until
      where l.lease_until <= clock_timestamp() or l.lock_id = ${gone}
        -- The acknowledgement of an earlier try may have been lost on the way.
        or l.lock_id = excluded.lock_id
      returning 1`,
  )
  return rows.length > 0
}

/** Who has a lock by a row. */
export async function holderOf(
  sql: postgres.Sql,
  name: LockName,
): Promise<(Holder & { id: string; owner: string }) | undefined> {
  const [row] = await withDatabase(
    () => sql<{ id: string; owner: string; command: string; since: string }[]>`
      select lock_id::text as id, owner, command,
        to_char(taken_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') as since
      from command_locks where name = ${name} and lease_until > clock_timestamp()`,
  )
  if (!row) return undefined
  const [place = '', pid] = row.owner.split(' ')
  return { ...row, who: `${row.command} (process ${pid} on ${place.split('/')[0]})` }
}

/**
 * Held by a session: of a process of an earlier release, or one in a pool where such a process left its lock, or of a
 * role that may only read (`takeSessionLock`).
 */
async function lockedBySession(sql: postgres.Sql, name: LockName): Promise<RmbgError> {
  const [holder] = await withDatabase(async () => [await advisoryHolder(sql, earlierKeys[name])])
  if (!holder) return new RmbgError('REFUSED', `Others keep taking the lock for ${name}.`)
  return lockedBy(
    { ...holder, who: `Another rmbg (${holder.who})` },
    `Wait until it is done. If it is gone, a pooler keeps its session: select pg_terminate_backend(${holder.pid}).`,
  )
}

/** The session or transaction that has an advisory lock. Asks once, so that a session may ask (`connectionIsLost`). */
export async function advisoryHolder(
  sql: postgres.Sql,
  key: number,
): Promise<(Holder & { pid: number }) | undefined> {
  const [row] = await sql<{ pid: number; name: string | null; since: string | null }[]>`
      select l.pid, nullif(a.application_name, '') as name,
        to_char(coalesce(a.xact_start, a.backend_start) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') as since
      from pg_locks l left join pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and l.pid <> pg_backend_pid()
        and l.database = (select oid from pg_database where datname = current_database())
        and (l.classid::bigint << 32) + l.objid::bigint = ${key}::bigint limit 1`
  if (!row) return undefined
  const session = `session ${row.pid}`
  return {
    pid: row.pid,
    who: row.name ? `${row.name}, ${session}` : session,
    since: row.since ?? 'a time that this role may not see',
  }
}

function heldLock(sql: postgres.Sql, name: LockName, id: string): Lock {
  const renew = async () =>
    withDatabase(
      () => sql`
        update command_locks set lease_until = clock_timestamp() + ${leaseMs}::float8 * interval '1 millisecond'
        where name = ${name} and lock_id = ${id} returning 1`,
    )
  // A missed beat is not an error: the next one follows long before the lease ends.
  const heartbeat = setInterval(() => void renew().catch(() => {}), leaseMs / 4)
  heartbeat.unref()
  return {
    id,
    assertHeld: async () => {
      if ((await renew()).length > 0) return
      const holder = await holderOf(sql, name)
      throw new RmbgError(
        'REFUSED',
        `This process stood still for longer than its lease, and has lost the lock for ${name}${holder ? ` to ${holder.who}` : ''}.`,
        { hint: 'Run it again; it goes on where it stopped.' },
      )
    },
    release: async () => {
      clearInterval(heartbeat)
      // The lease ends by itself where this fails.
      await withDatabase(() => sql`delete from command_locks where name = ${name} and lock_id = ${id}`).catch(
        () => {},
      )
    },
  }
}

/**
 * Rows of a fence, to stand in a `with … as materialized`: one while the lock is held, and nobody takes it over before
 * the statement has ended; none when it was lost. `clock_timestamp()`: the lease may end while the statement waits.
 *
 * @param lockId undefined where a lock ends with its process alone
 */
export const fence = (sql: postgres.Sql, lockId: string | undefined) =>
  lockId === undefined
    ? sql`select 1`
    : sql`
      select 1 from command_locks where lock_id = ${lockId} and lease_until > clock_timestamp() for share`
