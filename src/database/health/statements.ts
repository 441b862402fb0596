/** Slow statements of this program, as pg_stat_statements counts them. */
import { ownTables } from '../indexes.ts'
import { one } from '../rows.ts'
import { fine, type HealthContext, type Look, worst } from './contract.ts'
import { counted } from './words.ts'

/** Seen fewer times, a mean says nothing. */
const enoughCalls = 10
const shownStatements = 5

interface Statement {
  /** With $1 for every value. */
  text: string
  calls: number
  /** Seconds. */
  mean: number
  total: number
}

/**
 * Queries and changes of the program's own tables, in this database; what maintains them (VACUUM, COPY of a dump) may
 * take its time. Its columns are called otherwise before PostgreSQL 13.
 */
const statementsOf = ({ sql }: HealthContext, schema: string) => sql<Statement[]>`
  select left(regexp_replace(j ->> 'query', '[[:space:]]+', ' ', 'g'), 160) as text, (j ->> 'calls')::float8 as calls,
    coalesce(j ->> 'mean_exec_time', j ->> 'mean_time')::float8 / 1000 as mean,
    coalesce(j ->> 'total_exec_time', j ->> 'total_time')::float8 / 1000 as total
  from ${sql(schema)}.pg_stat_statements s cross join lateral to_jsonb(s) j
  where s.dbid = (select oid from pg_database where datname = current_database())
    and s.query ~* '^[[:space:](]*(select|insert|update|delete|with)[[:space:]]'
    and s.query ~ ${`\\m(${ownTables.join('|')}|claim_job|fold_usage)\\M`}
    and s.query !~ 'pg_stat_statements'`

export const statementLook: Look = {
  name: 'statements',
  serverOnly: true,
  look: async (context) => {
    const { sql, judge, seesAll, grantMonitor } = context
    const [extension] = await sql<{ schema: string }[]>`
      select extnamespace::regnamespace::text as schema from pg_extension where extname = 'pg_stat_statements'`
    if (!extension)
      return fine('The extension pg_stat_statements is not installed, so slow statements are not seen.')
    const { isLoaded } = one(
      await sql<{ isLoaded: boolean }[]>`
        select current_setting('pg_stat_statements.max', true) is not null as "isLoaded"`,
    )
    if (!isLoaded)
      return fine(
        'The extension pg_stat_statements is not in shared_preload_libraries, so slow statements are not seen.',
      )
    const all = await statementsOf(context, extension.schema)
    const usual = all.filter(({ calls }) => calls >= enoughCalls)
    const byMean = usual.toSorted((a, b) => b.mean - a.mean)
    const byTotal = all.toSorted((a, b) => b.total - a.total)
    const slow = byMean.filter(({ mean }) => judge('statement', mean) !== 'ok')
    const sum = all.reduce((total, statement) => total + statement.total, 0)
    const shown = new Set([...byMean.slice(0, shownStatements), ...byTotal.slice(0, shownStatements)])
    const slowest = byMean[0]
    return {
      level: worst(slow.map(({ mean }) => judge('statement', mean))),
      summary:
        slow.length > 0
          ? `${counted(slow.length, 'statement')} of this program ${slow.length === 1 ? 'is' : 'are'} slow, the slowest ${timeText(slow[0]?.mean ?? 0)} on average.`
          : slowest
            ? `No statement of this program is slow: the slowest takes ${timeText(slowest.mean)} on average.`
            : 'No statement of this program was counted often enough yet.',
      details: [...shown].map(
        ({ text, calls, mean, total }) =>
          `${timeText(mean)} x ${calls}, ${((100 * total) / Math.max(sum, Number.EPSILON)).toFixed(0)}% of the time: ${text}`,
      ),
      metrics: [
        {
          ...{ name: 'rmbg_slowest_statement_seconds', value: slowest?.mean ?? 0 },
          help: 'Mean time of the slowest statement of this program.',
        },
        {
          ...{ name: 'rmbg_statements_seconds_total', value: sum },
          help: 'Time that statements of this program took.',
        },
      ],
      ...(!seesAll && { grant: grantMonitor }),
    }
  },
}

const timeText = (seconds: number): string =>
  seconds < 1 ? `${(1000 * seconds).toFixed(seconds < 0.01 ? 1 : 0)} ms` : `${seconds.toFixed(1)} s`
