/** Manifests of lines: NDJSON and CSV become entries as they are read, and a line that is broken is one of them. */
import { Readable } from 'node:stream'
import { parse } from 'csv-parse'
import { isAddress } from '../addresses.ts'
import { addressOf, decodedKey, type Fields, itemOf, type ManifestEntry, nameOf } from './entries.ts'

/** Longer than any address with all that signs it. */
const maxLineBytes = 64 * 1024
const batchEntries = 1000

/** @param manifest for sentences */
export async function* ndjsonEntries(
  content: AsyncIterable<Uint8Array>,
  manifest: string,
): AsyncGenerator<ManifestEntry[]> {
  let line = 0
  for await (const lines of linesOf(content)) {
    const entries: ManifestEntry[] = []
    for (const text of lines) {
      line++
      if (text !== undefined && text.trim() === '') continue
      const item = text === undefined ? 'it is longer than any address' : itemOfJson(text)
      entries.push(typeof item === 'string' ? { manifest, line, problem: item } : item)
    }
    yield entries
  }
}

function itemOfJson(text: string) {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'it is no JSON'
  }
  if (typeof value === 'string') return itemOf({ url: value })
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is no JSON object'
  return itemOf(Object.fromEntries(Object.entries(value).map(([name, each]) => [nameOf(name), each])))
}

/** @returns lines as they come; undefined for one that is too long to be kept */
async function* linesOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<(string | undefined)[]> {
  let rest = Buffer.alloc(0)
  let isTooLong = false
  for await (const chunk of content) {
    const bytes = Buffer.concat([rest, chunk])
    const end = bytes.lastIndexOf(10) + 1
    rest = bytes.subarray(end)
    const lines: (string | undefined)[] = end === 0 ? [] : bytes.toString('utf8', 0, end - 1).split('\n')
    if (isTooLong && lines.length > 0) {
      lines[0] = undefined
      isTooLong = false
    }
    if (rest.length > maxLineBytes) {
      rest = Buffer.alloc(0)
      isTooLong = true
    }
    if (lines.length > 0) yield lines.map((line) => ((line?.length ?? 0) > maxLineBytes ? undefined : line))
  }
  if (isTooLong) yield [undefined]
  else if (rest.length > 0) yield [rest.toString('utf8')]
}

/** How the columns of a row become fields. */
type Columns = (row: readonly string[]) => Fields

/**
 * @param manifest for sentences
 * @param schema the names of the columns, of a file without a header; absent: the first line tells, or is a first row of
 *   one address, of address and ETag, or of bucket, key and perhaps version as in the manifests of S3 Batch Operations
 * @param itemOfFields what a row stands for; undefined: nothing that is wanted
 */
export async function* csvEntries(
  content: AsyncIterable<Uint8Array>,
  manifest: string,
  schema?: readonly string[],
  itemOfFields: (fields: Fields) => ReturnType<typeof itemOf> | undefined = itemOf,
): AsyncGenerator<ManifestEntry[]> {
  const skipped: { line: number; problem: string }[] = []
  const parser = parse({
    ...{ bom: true, relax_column_count: true, skip_empty_lines: true, info: true },
    ...{ max_record_size: maxLineBytes, skip_records_with_error: true },
    on_skip: (error) => {
      skipped.push({ line: Number(error?.lines ?? 0), problem: 'it is no line of CSV' })
      return undefined
    },
  })
  const source = Readable.from(content, { objectMode: false })
  source.once('error', (error) => parser.destroy(error))
  const rows = source.pipe(parser) as AsyncIterable<{ record: string[]; info: { lines: number } }>
  let columns: Columns | undefined = schema && byName(schema)
  let entries: ManifestEntry[] = []
  for await (const { record, info } of rows) {
    // The parser is ahead of what is read here: in the order of lines, so that a cursor means the same another time.
    const before = skipped.findIndex(({ line }) => line >= info.lines)
    const passed = skipped.splice(0, before === -1 ? skipped.length : before)
    entries.push(...passed.map((broken) => ({ manifest, ...broken })))
    const isHeader = columns === undefined && namesColumns(record)
    columns ??= isHeader ? byName(record) : byPlace
    const item = isHeader ? undefined : itemOfFields(columns(record))
    if (typeof item === 'string') entries.push({ manifest, line: info.lines, problem: item })
    else if (item !== undefined) entries.push(item)
    if (entries.length < batchEntries) continue
    yield entries
    entries = []
  }
  entries.push(...skipped.map((broken) => ({ manifest, ...broken })))
  yield entries
}

function namesColumns(record: readonly string[]): boolean {
  const names = record.map(nameOf)
  return names.includes('url') || (names.includes('bucket') && names.includes('key'))
}

const byName =
  (header: readonly string[]): Columns =>
  (row) => {
    const fields: Record<string, unknown> = Object.fromEntries(
      header.map((column, index) => [nameOf(column), row[index]]),
    )
    const { bucket, key } = fields
    return typeof bucket === 'string' && typeof key === 'string' && fields.url === undefined
      ? { ...fields, url: bucket && key ? addressOf(bucket, key) : undefined }
      : fields
  }

const byPlace: Columns = ([first = '', second, third]) => {
  if (isAddress(first) || second === undefined) return { url: first, etag: second }
  const key = decodedKey(second)
  return { url: key === undefined ? undefined : addressOf(first, key), versionid: third }
}
