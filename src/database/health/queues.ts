/** Tables whose rows come and go: what waits in them, and whether they stay small. */
import { sizeText } from '../../bytes.ts'
import { one } from '../rows.ts'
import { type HealthLevel, type Look, worst } from './contract.ts'
import { counted } from './words.ts'

/** Between two runs they are empty, and most of their rows are dead until autovacuum comes. */
const queues = ['usage_changes', 'open_jobs', 'tombstones']

export const isQueue = (table: string): boolean => queues.includes(table)

/** An empty queue that is larger was not vacuumed for long, and is read as a whole by whoever empties it. */
const swollenBytes = 1e9
/** More are not counted. */
const mostCounted = 20_000_000

export const queueLook: Look = {
  name: 'queues',
  look: async ({ sql, judge }) => {
    const { changes, tombstones, stale, abandoned } = one(
      await sql<{ changes: number; tombstones: number; stale: number; abandoned: number }[]>`
        select (select count(*) from (select from usage_changes limit ${mostCounted}) c)::float8 as changes,
          ((select count(*) from tombstones where not kept)
            + (select coalesce(sum(rows - done_rows), 0) from gone_months))::float8 as tombstones,
          ((select count(*) from tombstones where not kept and created_at < now() - interval '1 day')
            + (select coalesce(sum(rows - done_rows), 0) from gone_months
              where retired_at < now() - interval '1 day'))::float8 as stale,
          (select count(*) from open_jobs where lease_until < now() - interval '1 hour')::float8 as abandoned`,
    )
    const sizes = await sql<{ table: string; size: number }[]>`
      select relname as table, pg_relation_size(oid)::float8 as size from pg_class
      where relname in ${sql(queues)} and relnamespace = current_schema()::regnamespace`
    const swollen = sizes.filter(({ size }) => size >= swollenBytes)
    const problems: (readonly [HealthLevel, string])[] = [
      ...(judge('queue', changes) === 'ok'
        ? []
        : [[judge('queue', changes), 'rmbg stats counts what waits in usage_changes.'] as const]),
      ...(stale > 0
        ? [
            [
              'warn',
              `${counted(stale, 'deleted job')} of an interrupted prune left objects; rmbg prune goes on with it.`,
            ] as const,
          ]
        : []),
      ...(abandoned > 0
        ? [
            [
              'warn',
              `${counted(abandoned, 'job')} left by runs that ended an hour ago; the next run takes them up, or rmbg prune --abandoned-older-than 7d deletes them.`,
            ] as const,
          ]
        : []),
      ...(changes < 1000
        ? swollen.map(
            ({ table, size }) =>
              ['warn', `${table} takes up ${sizeText(size)} for few rows: VACUUM FULL ${table}`] as const,
          )
        : []),
    ]
    return {
      level: worst(problems.map(([level]) => level)),
      summary: `${counted(changes, 'change')} ${changes === 1 ? 'waits' : 'wait'} to be counted in the statistics, ${counted(tombstones, 'deleted job')} for ${tombstones === 1 ? 'its' : 'their'} objects to go.`,
      details: problems.map(([, problem]) => problem),
      metrics: [
        ...Object.entries({ usage_changes: changes, tombstones, abandoned_leases: abandoned }).map(
          ([queue, value]) => ({
            ...{ name: 'rmbg_queue_rows', value, labels: { queue } },
            help: 'Rows that wait for somebody to take them up.',
          }),
        ),
      ],
    }
  },
}
