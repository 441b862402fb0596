/** DuckDB in this process: it reads and writes Parquet. Nothing is ever fetched or loaded from outside the package. */
import { mkdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { DuckDBValue } from '@duckdb/node-api'
import { RmbgError } from '../../errors.ts'
import { diskProblem } from '../../system/files.ts'

type DuckDbPackage = typeof import('@duckdb/node-api')

export interface DuckDb {
  /**
   * @returns rows written
   * @throws RmbgError STORE_FULL or UNEXPECTED
   */
  run(sql: string): Promise<number>
  /** Rows by the names of their columns. Integers of 64 bits come as text, so statements make doubles of them. */
  rows<Row>(sql: string, values?: readonly DuckDBValue[]): Promise<Row[]>
  close(): void
}

/** What it holds in memory; the rest of larger questions goes to the folder. */
const memoryLimit = '512MB'
/** Each keeps a group of rows while Parquet is written. */
const mostThreads = 4

/**
 * Opens an empty database in memory.
 *
 * @param folder for what does not fit into memory; absolute, this process's alone
 * @param load imports the package, which an installation may leave out
 * @throws RmbgError CONFIG_INVALID when it is not installed
 */
export async function openDuckDb(
  folder: string,
  load: () => Promise<DuckDbPackage> = () => import('@duckdb/node-api'),
): Promise<DuckDb> {
  const { DuckDBInstance } = await load().catch((cause) => Promise.reject(absent(cause)))
  const spill = join(folder, 'spill')
  await mkdir(spill, { recursive: true, mode: 0o700 })
  const instance = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    memory_limit: memoryLimit,
    temp_directory: spill,
    threads: String(Math.min(availableParallelism(), mostThreads)),
    // Rows come in the order of time, and stay in it: whoever reads a few days skips the others.
    preserve_insertion_order: 'true',
  })
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  const ask = async (sql: string, values: readonly DuckDBValue[] = []) => {
    try {
      return await connection.runAndReadAll(sql, [...values])
    } catch (cause) {
      throw duckDbError(cause, folder)
    }
  }
  return {
    run: async (sql) => (await ask(sql)).rowsChanged,
    rows: async <Row>(sql: string, values?: readonly DuckDBValue[]) =>
      (await ask(sql, values)).getRowObjectsJson() as Row[],
    close: () => {
      connection.closeSync()
      instance.closeSync()
    },
  }
}

/** A text in a statement. Names of files cannot be parameters everywhere. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

function absent(cause: unknown): unknown {
  if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') return cause
  return new RmbgError(
    'CONFIG_INVALID',
    'Parquet needs the package @duckdb/node-api, which is not installed.',
    {
      hint: 'Install it beside rmbg: npm install @duckdb/node-api.',
      cause,
    },
  )
}

function duckDbError(cause: unknown, folder: string): RmbgError {
  const { message } = cause as Error
  const code = /no space left/i.test(message) ? 'ENOSPC' : undefined
  const disk = diskProblem({ code } as NodeJS.ErrnoException, folder)
  if (disk) {
    return new RmbgError('STORE_FULL', disk.sentence, {
      hint: 'Make room there, or set TMPDIR to another folder.',
      cause,
    })
  }
  return new RmbgError('UNEXPECTED', `DuckDB reported an error: ${message.split('\n')[0]}`, { cause })
}
