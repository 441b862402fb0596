import { stringify } from 'csv-stringify/sync'
import type { Job } from '../../database/query.ts'
import type { JobLinks } from '../../jobs/download.ts'
import { sizeText } from '../../bytes.ts'
import { printable, printableLines } from '../printable.ts'
import { table } from '../table.ts'

export type ShownJob = Job & JobLinks

/** Every column a job can be shown with, in the order of a CSV. */
export const jobColumns = [
  ...[
    'jobId',
    'userId',
    'status',
    'sourceName',
    'createdAt',
    'completedAt',
    'processingTimeMs',
    'imageWidth',
  ],
  ...['imageHeight', 'fileSizeKb', 'model', 'tags', 'needsReview', 'errorCode', 'errorMessage', 'sourcePath'],
  ...['originalPath', 'maskPath', 'processedPath', 'originalBytes', 'maskBytes', 'processedBytes'],
  ...['originalSha256', 'maskSha256', 'processedSha256', 'executionProvider', 'attempt', 'runId', 'review'],
  ...['params', 'originalUrl', 'maskUrl', 'processedUrl'],
] as (keyof ShownJob)[]

const tableColumns: (keyof ShownJob)[] = [
  ...(['createdAt', 'jobId', 'status', 'userId', 'sourceName', 'fileSizeKb'] as const),
  ...(['processingTimeMs', 'tags', 'errorCode'] as const),
]
const urls: (keyof ShownJob)[] = ['originalUrl', 'maskUrl', 'processedUrl']

const snake = (column: string): string => column.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
const camel = (column: string): string => column.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase())

/** A column by its name in the database (`user_id`) or in JSON (`userId`); undefined when there is none. */
export const columnNamed = (name: string): keyof ShownJob | undefined =>
  jobColumns.find((column) => column === camel(name.trim()))

export const columnNames = (): string => jobColumns.map(snake).join(', ')

type Shown = readonly (keyof ShownJob)[] | undefined

/** The chosen columns of a job; all of them unless any are chosen. */
export const pickColumns = (job: ShownJob, columns: Shown): Partial<ShownJob> =>
  columns ? Object.fromEntries(columns.map((column) => [column, job[column]])) : job

/** For people: the columns that fit a terminal unless others are chosen. */
export function jobsTable(jobs: readonly ShownJob[], columns: Shown): string {
  const chosen = columns ?? [...tableColumns, ...(jobs.some((job) => job.processedUrl) ? urls : [])]
  const cell = (job: ShownJob, column: keyof ShownJob) => {
    const value = job[column]
    if (!columns && column === 'createdAt') return String(value).slice(0, 19).replace('T', ' ')
    if (Array.isArray(value)) return value.join(', ')
    return typeof value === 'object' && value !== null ? JSON.stringify(value) : (value as string)
  }
  return table(
    chosen.map((column) => snake(column).toUpperCase()),
    jobs.map((job) => chosen.map((column) => cell(job, column))),
  )
}

/** One job for people, a line per fact that is known. */
export function jobText(job: ShownJob): string {
  const width = Math.max(...jobColumns.map((column) => column.length)) + 2
  return jobColumns
    .flatMap((column) => {
      const value = job[column]
      if (value == null || (Array.isArray(value) && value.length === 0)) return []
      const text = /Bytes$/.test(column)
        ? `${value} (${sizeText(Number(value))})`
        : Array.isArray(value)
          ? value.join(', ')
          : typeof value === 'object'
            ? JSON.stringify(value)
            : String(value)
      return `${snake(column).padEnd(width)}${printable(text)}`
    })
    .join('\n')
}

/**
 * Lines of CSV (RFC 4180). What a spreadsheet would take for a formula is quoted so that it does not, and what a
 * terminal would obey is made visible; JSON says exactly what there is.
 */
export function jobsCsv(jobs: readonly ShownJob[], columns: Shown, { header }: { header: boolean }): string {
  const chosen = columns ?? jobColumns
  const cell = (value: unknown) =>
    Array.isArray(value) ? value.join(',') : typeof value === 'boolean' ? String(value) : value
  const shown = (value: unknown) => (typeof value === 'string' ? printableLines(value) : value)
  return stringify(
    jobs.map((job) => chosen.map((column) => shown(cell(job[column])))),
    { header, columns: chosen.map(snake), escape_formulas: true },
  )
}
