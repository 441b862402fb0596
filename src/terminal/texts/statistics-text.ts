import { sizeText } from '../../bytes.ts'
import type { StoredBytes, Usage } from '../../database/usage.ts'
import type { Statistics } from '../../jobs/statistics.ts'
import { plural } from '../plural.ts'
import { type Cell, outputWidth, table } from '../table.ts'

/** Of a screen that has room for it. */
const widestBar = 24
/** What the other columns take. */
const figuresWidth = 60
const milliseconds = (value: number | null): Cell => (value === null ? null : Math.round(value))
const percent = (value: number | null): Cell => (value === null ? null : `${value.toFixed(1)}%`)

/** What matters first; then a chart and a table in one: a line per day, user and so on, with a bar for its volume. */
export function statisticsText({
  from,
  to,
  by,
  total,
  groups,
  unfinished,
  verdicts,
  store,
}: Statistics): string {
  const barWidth = Math.max(6, Math.min(widestBar, outputWidth() - figuresWidth))
  const most = Math.max(...groups.map(({ jobs }) => jobs), 1)
  const bar = (jobs: number) => '█'.repeat(Math.round((jobs / most) * barWidth)) || (jobs > 0 ? '▏' : '')
  const isUser = by === 'user'
  // Those of users, tags and errors are kept nowhere but in an export.
  const knowsPercentiles =
    by === 'day' || by === 'model' || by === 'status' || groups.some(({ p50Ms }) => p50Ms !== null)
  const percentilesOf = ({ p25Ms, p50Ms, p75Ms, p95Ms }: Usage) =>
    [p25Ms, p50Ms, p75Ms, p95Ms].map(milliseconds)
  const row = (usage: Usage): Cell[] => [
    usage.value,
    bar(usage.jobs),
    usage.jobs,
    usage.failed,
    percent(usage.errorRate),
    milliseconds(usage.meanMs),
    ...(knowsPercentiles ? percentilesOf(usage) : []),
    ...(isUser ? [usage.quartile] : []),
  ]
  const head = [
    ...[by.toUpperCase(), 'VOLUME', 'JOBS', 'FAILED', 'ERRORS', 'MEAN MS'],
    ...(knowsPercentiles ? ['P25', 'P50', 'P75', 'P95'] : []),
    ...(isUser ? ['QUARTILE'] : []),
  ]
  const times = [
    ['mean', total.meanMs],
    ['p50', total.p50Ms],
    ['p95', total.p95Ms],
  ].flatMap(([name, value]) => (value === null ? [] : `${name} ${Math.round(value as number)} ms`))
  const success = total.errorRate === null ? '' : `, ${(100 - total.errorRate).toFixed(1)}% succeeded`
  const judged =
    verdicts && verdicts.accepted + verdicts.rejected > 0
      ? ` (${verdicts.accepted} accepted, ${verdicts.rejected} rejected by people)`
      : ''
  const summary = [
    `${from} to ${to} (UTC): ${plural(total.jobs, 'job')}${success}, ${total.failed} failed, ${total.needReview} need review${judged}${times.length > 0 ? `; ${times.join(', ')}` : ''}`,
    ...nowLines({ unfinished, store }),
  ]
  const shown = by === 'day' ? groups.filter(({ jobs }) => jobs > 0) : groups
  if (shown.length === 0) return summary.join('\n')
  const expendable = ['P25', 'P75', 'VOLUME', 'QUARTILE', 'P95', 'P50', 'ERRORS', 'MEAN MS']
  return [...summary, '', table(head, shown.map(row), { expendable })].join('\n')
}

/** What is so at this moment, which a log knows and an export does not. */
function nowLines({ unfinished, store }: Pick<Statistics, 'unfinished' | 'store'>): string[] {
  return [
    ...(unfinished ? [`Now: ${unfinished.pending} pending, ${unfinished.processing} in work`] : []),
    ...(store ? [storeLine(store)] : []),
  ]
}

const storeLine = (store: StoredBytes): string =>
  `Store: ${sizeText(store.original)} originals, ${sizeText(store.mask)} masks, ${sizeText(store.processed)} cut-outs${store.awaitingDeletion > 0 ? `, ${sizeText(store.awaitingDeletion)} awaiting deletion` : ''}${store.kept > 0 ? `, ${sizeText(store.kept)} kept of pruned jobs` : ''}`
