import { sizeText } from '../../bytes.ts'
import type { PartitionFigures, PartitionResult } from '../../database/partition-log.ts'
import { plural } from '../plural.ts'

/** Per second, as two busy cores do it. */
const rate = { checkedJobs: 800_000, notedJobs: 6000 }
/** A row of known_keys and its place in the index, four of them a job. */
const keyBytes = 400

/** What `migrate --partition --dry-run` says. */
export function partitionPlanText({ state, jobs, bytes, before, obstacles }: PartitionFigures): string {
  const noting = `Then the keys of all jobs are noted beside them (about ${sizeText(jobs * keyBytes)}, ${lengthText(jobs / rate.notedJobs)}), which blocks nobody.`
  if (state === 'done') return 'The log is in months already.'
  if (state === 'converted') return `The log is in months already. ${noting.replace('Then the', 'The')}`
  return [
    `The log (about ${plural(Math.round(jobs), 'job')}, ${sizeText(bytes)}) would be turned into months: one partition for the jobs before ${before?.slice(0, 10)}, and one for each month from then on.`,
    `First all jobs are read once (${lengthText(jobs / rate.checkedJobs)}), which blocks nobody.`,
    'Then everybody waits once, for less than 250 ms; where the log is in use, it is tried again every two seconds.',
    noting,
    ...(obstacles.length > 0
      ? [`It would be refused, for this would be lost or left behind: ${obstacles.join('; ')}.`]
      : []),
  ].join('\n')
}

const lengthText = (seconds: number): string => {
  if (seconds < 1) return 'a moment'
  return seconds < 120 ? `about ${Math.round(seconds)} s` : `about ${Math.round(seconds / 60)} min`
}

/** What `migrate --partition` did, a line each. */
export const partitionedText = ({ lockedMs, months, noted }: PartitionResult): string[] => [
  ...(lockedMs === undefined ? [] : [`converted  the log; everybody waited for ${lockedMs} ms`]),
  ...months.map((month) => `made  ${month.replace('_', '-')}`),
  ...(noted > 0 ? [`noted  the keys of ${plural(noted, 'job')}`] : []),
]
