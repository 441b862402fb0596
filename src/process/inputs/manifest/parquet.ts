/** Parquet, through DuckDB: an optional package of 70 MB, which is loaded when a manifest is such a file. */
import { RmbgError } from '../../../errors.ts'
import { type Fields, nameOf } from './entries.ts'

/** In bytes, for what DuckDB does beside streaming. */
const memoryLimit = '256MB'

/**
 * The rows of a Parquet file, as they are read.
 *
 * @param path absolute
 * @param wanted names of columns, as `nameOf` gives them; others are not read
 * @throws RmbgError USAGE when the package is missing, or the file is none
 */
export async function* parquetRows(
  path: string,
  manifest: string,
  wanted: readonly string[],
): AsyncGenerator<Fields[]> {
  const { DuckDBInstance } = await import('@duckdb/node-api').catch((cause) => {
    throw new RmbgError('USAGE', `${manifest} is Parquet, and the package that reads it is not installed.`, {
      hint: 'Run npm install @duckdb/node-api beside rmbg-batch, or write the manifest as CSV.',
      cause,
    })
  })
  // Nothing is fetched from the network at run time.
  const instance = await DuckDBInstance.create(':memory:', {
    ...{ autoinstall_known_extensions: 'false', autoload_known_extensions: 'false' },
    ...{ memory_limit: memoryLimit, threads: '2' },
  })
  try {
    const connection = await instance.connect()
    try {
      const described = await connection.runAndReadAll('describe select * from read_parquet($1)', [path])
      const columns = described
        .getRowObjects()
        .map(({ column_name: name }) => String(name))
        .filter((name) => wanted.includes(nameOf(name)))
      if (columns.length === 0) throw new Error('it has none of the columns of a manifest')
      const chosen = columns.map((name) => `"${name.replaceAll('"', '""')}"::varchar`).join(', ')
      const rows = await connection.stream(`select ${chosen} from read_parquet($1)`, [path])
      for await (const chunk of rows.yieldRowsJs()) {
        yield chunk.map((row) =>
          Object.fromEntries(columns.map((name, index) => [nameOf(name), row[index] ?? undefined])),
        )
      }
    } finally {
      connection.closeSync()
    }
  } catch (cause) {
    if (cause instanceof RmbgError) throw cause
    const [reason = ''] = (cause as Error).message.split('\n')
    throw new RmbgError('USAGE', `${manifest} cannot be read as Parquet: ${reason.replace(/\.$/, '')}.`, {
      cause,
    })
  } finally {
    instance.closeSync()
  }
}
