// The job's summary, and the end of the action: with the status that `rmbg process` ended with.
import { appendFileSync } from 'node:fs'
import { escaped, readEvents } from './outputs.mjs'

const { EVENTS, REPORT, STATUS, GITHUB_STEP_SUMMARY } = process.env
/** GitHub takes a megabyte. */
const mostRows = 200

const events = readEvents(EVENTS)
const summary = events.find(({ type }) => type === 'summary')
const error = events.find(({ type }) => type === 'error')
const images = events.filter(({ type }) => type === 'image')
const failed = images.filter(({ status }) => status === 'failed')
const toReview = images.filter(({ review }) => review?.reasons.length > 0)

function section(title, heads, rows) {
  if (rows.length === 0) return []
  const line = (cells) => `| ${cells.map(escaped).join(' | ')} |`
  return [
    `### ${title}`,
    '',
    line(heads),
    line(heads).replace(/[^|]+/g, '---'),
    ...rows.slice(0, mostRows).map(line),
    ...(rows.length > mostRows ? ['', `And ${rows.length - mostRows} more.`] : []),
    '',
  ]
}

const markdown = [
  '## Backgrounds removed',
  '',
  summary
    ? `${summary.completed} completed, ${summary.skipped} skipped, ${summary.failed} failed, ${summary.needReview} to look at, in ${(summary.elapsedMs / 1000).toFixed(1)} s.`
    : escaped(error?.message ?? 'It ended early; the log says why.'),
  '',
  ...(REPORT ? [`[Before and after](${REPORT})`, ''] : []),
  ...section(
    'Failed',
    ['Picture', 'Reason', 'Code'],
    failed.map(({ input, message, code }) => [input, message, code]),
  ),
  ...section(
    'To look at',
    ['Picture', 'Why'],
    toReview.map(({ input, review }) => [input, review.reasons.join(', ')]),
  ),
]
appendFileSync(GITHUB_STEP_SUMMARY, `${markdown.join('\n')}\n`)

if (STATUS !== '0') {
  console.log(
    `::error::rmbg process ended with status ${STATUS}. docs/ci.md#exit-statuses says what that means.`,
  )
  process.exitCode = Number(STATUS)
}
