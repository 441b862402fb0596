import { sizeText } from '../../bytes.ts'
import type { ExportResult, MonthResult } from '../../jobs/lake/export.ts'
import { plural } from '../plural.ts'
import { table } from '../table.ts'

/** A line for a month that is begun, and one for a month that is done. */
export const exportedMonthText = (month: string, done: MonthResult | undefined): string =>
  done ? `${month}: ${plural(done.rows, 'job')}, ${sizeText(done.bytes)}` : `${month} …`

/** A line for each month, and what they are together. */
export function exportText({ location, months, rows, bytes }: ExportResult): string {
  if (months.length === 0)
    return `There is nothing to export to ${location}: no job of that period has ended.`
  const lines = months.map(({ month, state, rows: jobs, pruned, bytes: size }) => [
    ...[month, state, jobs, pruned > 0 ? pruned : null, sizeText(size)],
  ])
  return [
    table(['MONTH', 'FILE', 'JOBS', 'PRUNED', 'SIZE'], lines, { expendable: ['PRUNED'] }),
    '',
    `${plural(rows, 'job')} of ${plural(months.length, 'month')} in ${location}, ${sizeText(bytes)}`,
  ].join('\n')
}
