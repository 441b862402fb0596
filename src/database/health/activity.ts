import { one } from '../rows.ts'
import { fine, type Look, worst } from './contract.ts'
import { firstLimit } from './thresholds.ts'
import { counted, duration } from './words.ts'

const connections: Look = {
  name: 'connections',
  serverOnly: true,
  look: async ({ sql, judge, seesAll, grantMonitor }) => {
    const { most } = one(
      await sql`
        select current_setting('max_connections')::integer
          - current_setting('superuser_reserved_connections')::integer as most`,
    )
    const states = await sql<{ state: string; count: number; ours: number }[]>`
      select coalesce(state, case when datid is null then 'background' else 'hidden' end) as state,
        count(*)::integer as count, (count(*) filter (where application_name = 'rmbg'))::integer as ours
      from pg_stat_activity where backend_type = 'client backend' group by 1 order by 2 desc`
    const used = states.reduce((sum, { count }) => sum + count, 0)
    const ours = states.reduce((sum, state) => sum + state.ours, 0)
    const share = (100 * used) / most
    const level = judge('connections', share)
    return {
      level,
      summary: `${used} of ${most} connections are in use (${share.toFixed(0)}%), ${ours} of them by rmbg.`,
      details: [
        ...states.map(({ state, count }) => `${count} ${state}`),
        ...(level !== 'ok'
          ? ['Put a pooler such as PgBouncer before the server, or raise max_connections.']
          : []),
      ],
      metrics: [
        ...states.map(({ state, count }) => ({
          name: 'rmbg_connections',
          value: count,
          labels: { state },
          help: 'Client connections by state.',
        })),
        { name: 'rmbg_connections_limit', value: most, help: 'Connections that clients may open.' },
      ],
      ...(!seesAll && { grant: grantMonitor }),
    }
  },
}

interface LongSession {
  pid: number
  state: string
  seconds: number
  query: string
}

const longRunning: Look = {
  name: 'long-running',
  serverOnly: true,
  look: async ({ sql, judge, moved, seesAll, grantMonitor }) => {
    const queryLimit = firstLimit(moved, 'query')
    const idleLimit = firstLimit(moved, 'idle-transaction')
    const age = sql`extract(epoch from clock_timestamp()
      - case when state = 'active' then query_start else state_change end)::float8`
    const sessions = await sql<LongSession[]>`
      select pid, state, left(regexp_replace(query, '[[:space:]]+', ' ', 'g'), 80) as query, ${age} as seconds
      from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()
        and ((state = 'active' and ${age} >= ${queryLimit}::float8)
          or (state like 'idle in transaction%' and ${age} >= ${idleLimit}::float8))
      order by seconds desc limit 10`
    const idle = sessions.filter(({ state }) => state !== 'active')
    const levels = sessions.map(({ state, seconds }) =>
      judge(state === 'active' ? 'query' : 'idle-transaction', seconds),
    )
    const longest = sessions[0]
    return {
      level: sessions.length === 0 && !seesAll ? 'unknown' : worst(levels),
      summary: longest
        ? `${counted(sessions.length - idle.length, 'session')} running a query and ${counted(idle.length, 'transaction')} idle for too long, the longest for ${duration(longest.seconds)}.`
        : seesAll
          ? `No query runs for more than ${duration(queryLimit)}, and no transaction is idle for more than ${duration(idleLimit)}.`
          : "Other roles' sessions cannot be seen.",
      details: [
        ...sessions.map(
          ({ pid, state, seconds, query }) => `pid ${pid}, ${state} for ${duration(seconds)}: ${query}`,
        ),
        ...(levels.includes('crit')
          ? ['SELECT pg_cancel_backend(PID) stops a query, pg_terminate_backend(PID) a session.']
          : []),
      ],
      metrics: [
        {
          name: 'rmbg_longest_session_seconds',
          value: longest?.seconds ?? 0,
          help: 'Longest running query or idle transaction beyond its threshold.',
        },
      ],
      ...(!seesAll && { grant: grantMonitor }),
    }
  },
}

const blocked: Look = {
  name: 'blocked',
  serverOnly: true,
  look: async ({ sql, judge }) => {
    const waiting = await sql<{ pid: number; by: number[]; seconds: number; query: string }[]>`
      select pid, to_json(pg_blocking_pids(pid)) as by, left(regexp_replace(query, '[[:space:]]+', ' ', 'g'), 80) as query,
        coalesce(extract(epoch from clock_timestamp() - query_start), 0)::float8 as seconds
      from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0 order by seconds desc limit 10`
    const longest = waiting[0]?.seconds ?? 0
    return {
      level: waiting.length === 0 ? 'ok' : judge('lock-wait', longest),
      summary:
        waiting.length === 0
          ? 'No query waits for another.'
          : `${counted(waiting.length, 'session')} waiting for others, the longest for ${duration(longest)}.`,
      details: waiting.map(
        ({ pid, by, seconds, query }) =>
          `pid ${pid} waits ${duration(seconds)} for ${by.map((other) => `pid ${other}`).join(', ')}: ${query}`,
      ),
      metrics: [
        { name: 'rmbg_blocked_sessions', value: waiting.length, help: 'Sessions that wait for a lock.' },
      ],
    }
  },
}

const preparedTransactions: Look = {
  name: 'prepared-transactions',
  serverOnly: true,
  look: async ({ sql, judge }) => {
    const prepared = await sql<{ gid: string; owner: string; database: string; seconds: number }[]>`
      select gid, owner::text, database::text, extract(epoch from clock_timestamp() - prepared)::float8 as seconds
      from pg_prepared_xacts order by prepared limit 100`
    const oldest = prepared[0]?.seconds ?? 0
    const metrics = [
      {
        ...{ name: 'rmbg_prepared_transactions', value: prepared.length },
        help: 'Transactions that wait for COMMIT PREPARED.',
      },
      {
        ...{ name: 'rmbg_oldest_prepared_transaction_seconds', value: oldest },
        help: 'Age of the oldest prepared transaction.',
      },
    ]
    if (prepared.length === 0) return { ...fine('No transaction is prepared.'), metrics }
    const level = judge('prepared-transaction', oldest)
    return {
      level,
      summary: `${counted(prepared.length, 'transaction')} prepared and not ended, the oldest for ${duration(oldest)}.`,
      details: [
        ...prepared
          .slice(0, 10)
          .map(
            ({ gid, owner, database, seconds }) =>
              `${gid} of ${owner} in ${database}, for ${duration(seconds)}`,
          ),
        'They keep locks, and dead rows from being vacuumed: COMMIT PREPARED or ROLLBACK PREPARED ends one.',
      ],
      metrics,
    }
  },
}

export const activityLooks = [connections, longRunning, blocked, preparedTransactions]
