import { one } from '../rows.ts'
import { type Look, levelOf, worst } from './contract.ts'
import { counted, duration } from './words.ts'

const connections: Look = {
  name: 'connections',
  serverOnly: true,
  look: async ({ sql, seesAll, grantMonitor }) => {
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
    return {
      level: levelOf(share, { warn: 80, crit: 95 }),
      summary: `${used} of ${most} connections are in use (${share.toFixed(0)}%), ${ours} of them by rmbg.`,
      details: [
        ...states.map(({ state, count }) => `${count} ${state}`),
        ...(share >= 80
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

const longRunning: Look = {
  name: 'long-running',
  serverOnly: true,
  look: async ({ sql, seesAll, grantMonitor }) => {
    const sessions = await sql<{ pid: number; state: string; seconds: number; query: string }[]>`
      select pid, state, left(regexp_replace(query, '[[:space:]]+', ' ', 'g'), 80) as query,
        extract(epoch from clock_timestamp()
          - case when state = 'active' then query_start else state_change end)::float8 as seconds
      from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()
        and ((state = 'active' and query_start < clock_timestamp() - interval '1 minute')
          or (state like 'idle in transaction%' and state_change < clock_timestamp() - interval '1 minute'))
      order by seconds desc limit 10`
    const idle = sessions.filter(({ state }) => state !== 'active')
    const levels = sessions.map(({ state, seconds }) =>
      state === 'active' ? 'warn' : levelOf(seconds, { warn: 60, crit: 600 }),
    )
    const longest = sessions[0]
    return {
      level: sessions.length === 0 && !seesAll ? 'unknown' : worst(levels),
      summary: longest
        ? `For more than a minute ${counted(sessions.length - idle.length, 'session')} running a query and ${counted(idle.length, 'transaction')} idle, the longest ${duration(longest.seconds)}.`
        : seesAll
          ? 'No query runs, and no transaction is idle, for more than a minute.'
          : "Other roles' sessions cannot be seen.",
      details: sessions.map(
        ({ pid, state, seconds, query }) => `pid ${pid}, ${state} for ${duration(seconds)}: ${query}`,
      ),
      metrics: [
        {
          name: 'rmbg_longest_session_seconds',
          value: longest?.seconds ?? 0,
          help: 'Longest running query or idle transaction of more than a minute.',
        },
      ],
      ...(!seesAll && { grant: grantMonitor }),
    }
  },
}

const blocked: Look = {
  name: 'blocked',
  serverOnly: true,
  look: async ({ sql }) => {
    const waiting = await sql<{ pid: number; by: number[]; seconds: number; query: string }[]>`
      select pid, to_json(pg_blocking_pids(pid)) as by, left(regexp_replace(query, '[[:space:]]+', ' ', 'g'), 80) as query,
        coalesce(extract(epoch from clock_timestamp() - query_start), 0)::float8 as seconds
      from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0 order by seconds desc limit 10`
    const longest = waiting[0]?.seconds ?? 0
    return {
      level: waiting.length === 0 ? 'ok' : levelOf(longest, { warn: 5, crit: 300 }),
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

export const activityLooks = [connections, longRunning, blocked]
