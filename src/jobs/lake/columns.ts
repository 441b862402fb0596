/** The columns of the Parquet files, and how the CSV of the log becomes them. */
import { type ExportColumn, exportColumns } from '../../database/export-rows.ts'
import { literal } from './duckdb.ts'

interface ParquetColumn {
  /** In the file. */
  type: string
  /** Made of the text in the CSV; by a cast alone, unless it says how. */
  from?: (text: string) => string
}

const digest: ParquetColumn = { type: 'BLOB', from: (hex) => `unhex(${hex})` }
const list: ParquetColumn = {
  type: 'VARCHAR[]',
  from: (json) => `list_sort(from_json(${json}, '["VARCHAR"]'))`,
}
const time: ParquetColumn = { type: 'TIMESTAMPTZ', from: (utc) => `(${utc} || '+00')::TIMESTAMPTZ` }

const columns: Record<ExportColumn, ParquetColumn> = {
  user_id: { type: 'VARCHAR' },
  status: { type: 'VARCHAR' },
  completed_at: time,
  processing_time_ms: { type: 'INTEGER' },
  image_width: { type: 'INTEGER' },
  image_height: { type: 'INTEGER' },
  file_size_kb: { type: 'INTEGER' },
  source_size: { type: 'BIGINT' },
  source_path: { type: 'VARCHAR' },
  content_sha256: digest,
  fingerprint: digest,
  model: { type: 'VARCHAR' },
  params: { type: 'VARCHAR' },
  execution_provider: { type: 'VARCHAR' },
  attempt: { type: 'INTEGER' },
  kept: list,
  original_bytes: { type: 'BIGINT' },
  original_shared: { type: 'BOOLEAN' },
  mask_bytes: { type: 'BIGINT' },
  processed_bytes: { type: 'BIGINT' },
  needs_review: { type: 'BOOLEAN' },
  review_reasons: list,
  error_code: { type: 'VARCHAR' },
  error_message: { type: 'VARCHAR' },
  tags: list,
  created_at: time,
  job_id: { type: 'UUID' },
}

/** In the files, which begin with what a person looks for. */
const order: readonly ExportColumn[] = [
  ...(['job_id', 'created_at'] as const),
  ...exportColumns.filter((name) => name !== 'job_id' && name !== 'created_at'),
]

/** Each column with its type, in the order of the files: files with others are of another release. */
export const parquetColumns: readonly string[] = order.map((name) => `${name} ${columns[name].type}`)

/**
 * The rows of a CSV without a header, as the database writes it. Every column is named and typed: nothing is guessed
 * from the first rows, and a pipe can be read, which has no second look.
 */
export function selectFromCsv(path: string): string {
  const shapes = exportColumns.map(
    (name) => `${name}: ${literal(columns[name].from ? 'VARCHAR' : columns[name].type)}`,
  )
  const selected = order.map((name) => `${columns[name].from?.(name) ?? name} AS ${name}`)
  return `SELECT ${selected.join(', ')} FROM read_csv(${literal(path)}, columns = {${shapes.join(', ')}},
    auto_detect = false, header = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
    parallel = false)`
}

/** Writes the rows of a statement into a Parquet file. */
export const writeParquet = (select: string, path: string): string =>
  `COPY (${select}) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000)`

/** No rows, with the columns of the files. */
export const noJobs = `SELECT ${order.map((name) => `NULL::${columns[name].type} AS ${name}`).join(', ')} WHERE false`
