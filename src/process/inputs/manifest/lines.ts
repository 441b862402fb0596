/** Manifests of lines: NDJSON and CSV become entries as they are read, and a line that is broken is one of them. */
import { parse } from 'csv-parse/sync'
import { isAddress } from '../addresses.ts'
import { addressOf, decodedKey, type Fields, itemOf, type ManifestEntry, nameOf } from './entries.ts'

/** Longer than any address with all that signs it. */
const maxLineBytes = 64 * 1024

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
 * A row is a line: an address has no line in it, and a quote that is not closed must not take the lines behind it along.
 *
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
  let line = 0
  const itemOfRow = rowReader(schema, itemOfFields)
  for await (const lines of linesOf(content)) {
    const entries: ManifestEntry[] = []
    for (const row of rowsOf(lines)) {
      line++
      if (row === 'blank') continue
      const item = typeof row === 'string' ? row : itemOfRow(row)
      if (typeof item === 'string') entries.push({ manifest, line, problem: item })
      else if (item !== undefined) entries.push(item)
    }
    yield entries
  }
}

/** The first row may be a header, which stands for nothing itself. */
function rowReader(
  schema: readonly string[] | undefined,
  itemOfFields: (fields: Fields) => ReturnType<typeof itemOf> | undefined,
): (row: readonly string[]) => ReturnType<typeof itemOf> | undefined {
  let columns = schema && byName(schema)
  return (row) => {
    if (columns) return itemOfFields(columns(row))
    const isHeader = namesColumns(row)
    columns = isHeader ? byName(row) : byPlace
    return isHeader ? undefined : itemOfFields(columns(row))
  }
}

/** @returns of each line its fields, or what is wrong with it */
function rowsOf(lines: readonly (string | undefined)[]): (string[] | string)[] {
  const texts = lines.map((line) => line?.replace(/^\uFEFF|\r$/g, ''))
  const full = texts.filter((text): text is string => text !== undefined && text.trim() !== '')
  const together = parsed(full.join('\n'))
  // Where they are as many, each is a line of its own.
  const rows = together?.length === full.length ? together : full.map((text) => aloneOf(parsed(text)))
  let next = 0
  return texts.map((text) => {
    if (text === undefined) return 'it is longer than any address'
    return text.trim() === '' ? 'blank' : (rows[next++] ?? 'it is no line of CSV')
  })
}

const aloneOf = (rows: string[][] | undefined): string[] | undefined =>
  rows?.length === 1 ? rows[0] : undefined

function parsed(text: string): string[][] | undefined {
  try {
    return parse(text, { relax_column_count: true })
  } catch {
    return undefined
  }
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
