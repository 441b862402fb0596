import type { Job } from '../database/query.ts'
import type { JobLinks } from '../jobs/download.ts'

/** A job as it is shown: with links to its objects where they were asked for. */
export type ShownJob = Job & JobLinks

export type Column = keyof ShownJob

/** Every column a job can be shown with, in the order of a CSV. */
export const jobColumns = [
  ...['jobId', 'userId', 'status', 'sourceName', 'createdAt', 'completedAt', 'processingTimeMs'],
  ...['imageWidth', 'imageHeight', 'fileSizeKb', 'model', 'tags', 'needsReview', 'errorCode', 'errorMessage'],
  ...['sourcePath', 'kept', 'originalPath', 'maskPath', 'processedPath', 'originalBytes', 'maskBytes'],
  ...['processedBytes', 'originalSha256', 'maskSha256', 'processedSha256', 'executionProvider', 'attempt'],
  ...[
    'runId',
    'review',
    'verdict',
    'verdictBy',
    'verdictAt',
    'verdictNote',
    'supersededBy',
    'params',
    'originalUrl',
    'maskUrl',
    'processedUrl',
  ],
] as readonly Column[]

const camel = (name: string): string => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase())

/** The name of a column in the database (`user_id`), which people also type. */
export const columnName = (column: Column): string =>
  column.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

export const columnNames = (): string => jobColumns.map(columnName).join(', ')

/** A column by its name in the database (`user_id`) or in JSON (`userId`); undefined when there is none. */
export const columnNamed = (name: string): Column | undefined =>
  jobColumns.find((column) => column === camel(name.trim()))

/** The chosen columns of a job; all of them unless any are chosen. */
export const pickColumns = (job: ShownJob, columns: readonly Column[] | undefined): Partial<ShownJob> =>
  columns ? Object.fromEntries(columns.map((column) => [column, job[column]])) : job
