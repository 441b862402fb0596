/** Jobs in the formats of `rmbg query`, a function each. */
import { stringify } from 'csv-stringify/sync'
import { sizeText } from '../../bytes.ts'
import type { Fetched } from '../../jobs/download.ts'
import { type Column, columnName, jobColumns, pickColumns, type ShownJob } from '../job-columns.ts'
import { printable, printableLines } from '../printable.ts'
import { type Cell, outputWidth, table } from '../table.ts'

/** The columns to show; undefined for those that suit the format. */
type Chosen = readonly Column[] | undefined

const tableColumns: readonly Column[] = [
  ...(['createdAt', 'jobId', 'status', 'userId', 'sourceName', 'fileSizeKb'] as const),
  ...(['processingTimeMs', 'tags', 'errorCode'] as const),
]
/** Those that a narrow screen does without, the first one first. */
const expendable: readonly Column[] = [
  ...(['fileSizeKb', 'processingTimeMs', 'userId', 'tags', 'createdAt', 'errorCode'] as const),
]
const urls: readonly Column[] = ['originalUrl', 'maskUrl', 'processedUrl']

/** A value in one line of text. */
function inLine(value: ShownJob[Column]): Cell {
  if (Array.isArray(value)) return value.join(', ')
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value
}

/** For people: by default the columns that fit a terminal. Nothing for no jobs. */
function jobsTable(jobs: readonly ShownJob[], columns: Chosen): string {
  if (jobs.length === 0) return ''
  const chosen = columns ?? defaultColumns(jobs)
  const cell = (job: ShownJob, column: Column) =>
    !columns && column === 'createdAt' ? job.createdAt.slice(0, 19).replace('T', ' ') : inLine(job[column])
  return table(
    chosen.map((column) => columnName(column).toUpperCase()),
    jobs.map((job) => chosen.map((column) => cell(job, column))),
    { expendable: columns ? [] : expendable.map((column) => columnName(column).toUpperCase()) },
  )
}

/** On a terminal, where room is short, without columns that are empty. */
function defaultColumns(jobs: readonly ShownJob[]): readonly Column[] {
  const withUrls = [...tableColumns, ...(jobs.some((job) => job.processedUrl) ? urls : [])]
  if (!Number.isFinite(outputWidth())) return withUrls
  return withUrls.filter((column) => jobs.some((job) => (inLine(job[column]) ?? '') !== ''))
}

/** For people who have to look at pictures: which, why, and where the cut-out is. */
function jobsToReview(jobs: readonly ShownJob[], place: (key: string) => string): string {
  return jobs
    .map(({ jobId, sourcePath, processedPath, review }) => {
      const facts = [
        ['why', reasonsOf(review)],
        ['cut-out', processedPath === null ? 'not in the store' : place(processedPath)],
        ['job', jobId],
      ]
      return [
        printable(sourcePath ?? 'a picture without a name'),
        ...facts.map(([name = '', value = '']) => `  ${name.padEnd(9)}${printable(value)}`),
      ].join('\n')
    })
    .join('\n\n')
}

/** Rows of early versions hold no reasons. */
function reasonsOf(review: ShownJob['review']): string {
  const { reasons = [], violations = [] } = (review ?? {}) as {
    reasons?: string[]
    violations?: { message: string }[]
  }
  const others = reasons.filter((reason) => reason !== 'rules' || violations.length === 0)
  return [...others, ...violations.map(({ message }) => message)].join('; ') || 'not known'
}

/** For people: a line for each known fact of a job. */
const jobsFacts = (jobs: readonly ShownJob[]): string => jobs.map(jobFacts).join('\n\n')

function jobFacts(job: ShownJob): string {
  const width = Math.max(...jobColumns.map((column) => column.length)) + 2
  return jobColumns
    .flatMap((column) => {
      const value = job[column]
      if (value == null || (Array.isArray(value) && value.length === 0)) return []
      const size = /Bytes$/.test(column) ? ` (${sizeText(Number(value))})` : ''
      return `${columnName(column).padEnd(width)}${printable(String(inLine(value)))}${size}`
    })
    .join('\n')
}

/** For programs: one JSON object a line. */
const jobsNdjson = (jobs: readonly ShownJob[], columns: Chosen): string =>
  jobs.map((job) => JSON.stringify(pickColumns(job, columns))).join('\n')

/**
 * Lines of CSV (RFC 4180). A cell that a spreadsheet would run as a formula is quoted, and control characters are made
 * visible; JSON has the exact text.
 */
function jobsCsv(jobs: readonly ShownJob[], columns: Chosen, { header }: { header: boolean }): string {
  const chosen = columns ?? jobColumns
  const cell = (value: unknown) => {
    if (Array.isArray(value)) return printableLines(value.join(','))
    if (typeof value === 'boolean') return String(value)
    return typeof value === 'string' ? printableLines(value) : value
  }
  const lines = stringify(
    jobs.map((job) => chosen.map((column) => cell(job[column]))),
    { header, columns: chosen.map(columnName), escape_formulas: true },
  )
  return lines.replace(/\n$/, '')
}

export interface JobsFormat {
  ndjson: boolean
  csv: boolean
  /** All that is known of a job, unless columns are chosen. */
  facts: boolean
  columns: Chosen
  /** For the jobs of `--needs-review`: where the object of a key is, for people; undefined for all other jobs. */
  placeToReview?: ((key: string) => string) | undefined
}

/** Prints page after page in one format; a CSV has its header once. */
export function jobsPrinter({
  ndjson,
  csv,
  facts,
  columns,
  placeToReview,
}: JobsFormat): (page: readonly ShownJob[]) => string {
  let isFirst = true
  if (ndjson) return (page) => jobsNdjson(page, columns)
  if (facts && !columns) return jobsFacts
  if (!csv && placeToReview && !columns) return (page) => jobsToReview(page, placeToReview)
  if (!csv) return (page) => jobsTable(page, columns)
  return (page) => {
    const text = jobsCsv(page, columns, { header: isFirst })
    isFirst = false
    return text
  }
}

/** What became of one object that was to be downloaded. */
export function fetchedText(object: Fetched): string {
  if ('notKept' in object)
    return `left out ${object.notKept} of job ${object.jobId}: it was not kept by the run that made it (--keep)`
  if ('leftOut' in object)
    return object.leftOut === 'rejected'
      ? `left out job ${object.jobId}: rejected in a review (--verdict rejected fetches it)`
      : `left out job ${object.jobId}: another version of it counts`
  if ('path' in object) return `fetched  ${object.path}`
  if ('kept' in object) return `kept     ${object.kept}: not what the store holds (--overwrite replaces it)`
  return `failed   ${object.error.message} [${object.error.code}]`
}
