/** A manifest, whatever it is written as, in pages that can be gone on from. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { createGunzip } from 'node:zlib'
import { RmbgError } from '../../../errors.ts'
import { shownPath, systemPath } from '../../../system/file-names.ts'
import type { Spill } from '../../../system/spill.ts'
import { kindOf } from '../beginnings.ts'
import { startingWith, withWholeHead } from '../lists.ts'
import { addressOf, type BrokenLine, isBroken, itemOf, type ManifestEntry } from './entries.ts'
import { assertReadable, bucketOfFiles, type Inventory, inventoryEntries, inventoryOf } from './inventory.ts'
import { csvEntries, ndjsonEntries } from './lines.ts'
import { parquetRows } from './parquet.ts'

/** How far a manifest was read, as data. */
export interface ManifestCursor {
  /** Of the files of an inventory; 0 of every other manifest. */
  file: number
  /** Entries of it that were given. */
  entries: number
}

export interface ManifestPage {
  entries: ManifestEntry[]
  cursor: ManifestCursor
}

export interface ManifestServices {
  /** Opens an object. @throws RmbgError */
  open: (bucket: string, key: string) => Promise<AsyncIterable<Uint8Array>>
  spill: Spill
  stdin: Readable
  cwd: string
}

/** So many broken lines at the begin, and no other, are no manifest. */
const enoughBroken = 1000
/** The manifest of an inventory names some thousand files. */
const maxInventoryBytes = 64 * 2 ** 20

/**
 * The entries of a manifest as they are read: NDJSON, CSV or Parquet, perhaps packed by gzip, or an inventory of S3.
 * Memory stays flat.
 *
 * @param place a file, `s3://bucket/key`, or `-` for standard input
 * @param from where an earlier reading of the same manifest stood
 * @throws RmbgError USAGE when it cannot be read, is something else, or nothing in it fits
 */
export async function* manifestPages(
  place: string,
  services: ManifestServices,
  from: ManifestCursor = { file: 0, entries: 0 },
): AsyncGenerator<ManifestPage> {
  const shown = place === '-' ? 'The manifest from standard input' : shownPath(place)
  const broken: BrokenLine[] = []
  let isFitting = from.file > 0 || from.entries > 0
  for await (const page of pagesOf(place, shown, services, from)) {
    isFitting ||= page.entries.some((entry) => !isBroken(entry))
    if (!isFitting) {
      broken.push(...page.entries.filter(isBroken))
      if (broken.length >= enoughBroken) throw nothingFits(shown, broken)
      continue
    }
    yield { ...page, entries: [...broken.splice(0), ...page.entries] }
  }
  if (broken.length > 0) throw nothingFits(shown, broken)
}

const nothingFits = (shown: string, [first]: readonly BrokenLine[]): RmbgError =>
  new RmbgError(
    'USAGE',
    `${shown} names no picture: line ${first?.line} fits no manifest, ${first?.problem}.`,
    {
      hint: 'A line looks like {"url":"s3://bucket/photo.jpg","etag":"…","size":12345}, or is CSV with a header: url,etag,size.',
    },
  )

async function* pagesOf(
  place: string,
  shown: string,
  services: ManifestServices,
  from: ManifestCursor,
): AsyncGenerator<ManifestPage> {
  const opened = await formOf(contentOf(place, services, shown), shown)
  if (opened.form !== 'inventory') {
    const label = place === '-' ? 'standard input' : shown
    return yield* behind({ ...from, file: 0 }, entriesOf(opened, label, services.spill))
  }
  const { inventory } = opened
  assertReadable(inventory, shown)
  await assertDigest(opened.text, place, services, shown)
  for (const [file, { key, MD5checksum: md5 }] of inventory.files.entries()) {
    if (file < from.file) continue
    const { content, shown: shownFile } = await dataFile(place, inventory, key, services)
    const entries = inventoryEntries(inventory, { shown: shownFile, content, md5, spill: services.spill })
    yield* behind({ file, entries: file === from.file ? from.entries : 0 }, entries)
  }
}

/** Without the entries that were given before. */
async function* behind(
  { file, entries: given }: ManifestCursor,
  batches: AsyncIterable<ManifestEntry[]>,
): AsyncGenerator<ManifestPage> {
  let count = 0
  for await (const batch of batches) {
    const entries = batch.slice(Math.max(0, given - count))
    count += batch.length
    if (entries.length > 0) yield { entries, cursor: { file, entries: count } }
  }
}

type Form =
  | { form: 'ndjson' | 'csv' | 'parquet'; content: AsyncIterable<Uint8Array> }
  | { form: 'inventory'; inventory: Inventory; text: string }

/** The first bytes tell what it is. */
async function formOf(source: AsyncIterable<Uint8Array>, shown: string): Promise<Form> {
  const content = withWholeHead(source)
  const { value: head = Buffer.alloc(0) } = await content.next()
  const whole = startingWith(head, content)
  const kind = kindOf(head)
  if (kind?.name === 'gzip') {
    const packed = Readable.from(whole, { objectMode: false })
    const unpacked = packed.pipe(createGunzip())
    packed.once('error', (error) => unpacked.destroy(error))
    return formOf(unpacked, shown)
  }
  const begin = head.toString('utf8').replace(/^\uFEFF/, '')
  if (begin.startsWith('PAR1')) return { form: 'parquet', content: whole }
  if (kind || head.includes(0)) {
    throw new RmbgError(
      'USAGE',
      `${shown} is ${kind ? `a ${kind.what} (${kind.name})` : 'no text'}, not a manifest.`,
      {
        hint: 'A manifest is NDJSON, CSV or Parquet in UTF-8, or the manifest.json of an S3 inventory.',
      },
    )
  }
  if (begin.trimStart().startsWith('[')) {
    throw new RmbgError('USAGE', `${shown} is a JSON array, and a manifest has one object a line.`, {
      hint: `Turn it into lines: jq -c '.[]' FILE | rmbg process --manifest -`,
    })
  }
  if (!begin.trimStart().startsWith('{')) return { form: 'csv', content: whole }
  if (!/"fileSchema"\s*:/.test(begin)) return { form: 'ndjson', content: whole }
  const json = await text(capped(whole, shown))
  const inventory = inventoryOf(json)
  if (inventory) return { form: 'inventory', inventory, text: json }
  throw new RmbgError('USAGE', `${shown} looks like the manifest of an S3 inventory, and is not complete.`)
}

async function* capped(content: AsyncIterable<Uint8Array>, shown: string): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of content) {
    bytes += chunk.length
    if (bytes > maxInventoryBytes)
      throw new RmbgError('USAGE', `${shown} is larger than any inventory's manifest.`)
    yield chunk
  }
}

async function* entriesOf(
  { form, content }: Exclude<Form, { form: 'inventory' }>,
  shown: string,
  spill: Spill,
): AsyncGenerator<ManifestEntry[]> {
  if (form === 'ndjson') return yield* ndjsonEntries(content, shown)
  if (form === 'csv') return yield* csvEntries(content, shown)
  const path = await spill.keep(content, Number.MAX_SAFE_INTEGER)
  try {
    let line = 0
    const columns = ['url', 'bucket', 'key', 'etag', 'size', 'versionid']
    for await (const rows of parquetRows(path, shown, columns)) {
      yield rows.map(({ bucket, key, ...fields }): ManifestEntry => {
        line++
        const url = fields.url ?? (bucket && key ? addressOf(String(bucket), String(key)) : undefined)
        const item = itemOf({ ...fields, url })
        return typeof item === 'string' ? { manifest: shown, line, problem: item } : item
      })
    }
  } finally {
    await spill.remove(path)
  }
}

const inBucket = /^s3:\/\/([^/]+)\/(.+)$/s

async function* contentOf(
  place: string,
  { open, stdin, cwd }: Pick<ManifestServices, 'open' | 'stdin' | 'cwd'>,
  shown: string,
): AsyncGenerator<Uint8Array> {
  const [, bucket, key] = inBucket.exec(place) ?? []
  try {
    if (bucket !== undefined && key !== undefined) yield* await open(bucket, key)
    else yield* place === '-' ? stdin : createReadStream(systemPath(resolve(cwd, place)))
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (cause instanceof RmbgError && cause.family !== 'image') throw cause
    const reason = cause instanceof RmbgError ? message.replace(/\.$/, '') : (code ?? message)
    throw new RmbgError('USAGE', `The manifest ${shown} cannot be read (${reason}).`, { cause })
  }
}

/** S3 writes `manifest.checksum` beside it, last of all: the MD5 of the manifest. Copies may come without it. */
async function assertDigest(
  json: string,
  place: string,
  services: ManifestServices,
  shown: string,
): Promise<void> {
  const [, bucket, key] = inBucket.exec(place) ?? []
  const name = 'manifest.checksum'
  const read =
    bucket !== undefined && key !== undefined
      ? services
          .open(bucket, `${key.slice(0, key.lastIndexOf('/') + 1)}${name}`)
          .then((body) => text(Readable.from(body)))
      : readFile(join(dirname(resolve(services.cwd, place)), name), 'utf8')
  const expected = await read.catch((cause: Error) => {
    if (cause instanceof RmbgError && cause.family !== 'image') throw cause
    return undefined
  })
  if (expected === undefined || !/^[0-9a-f]{32}$/i.test(expected.trim())) return
  if (createHash('md5').update(json).digest('hex') === expected.trim().toLowerCase()) return
  throw new RmbgError('USAGE', `${shown} is not what its manifest.checksum says: its MD5 is another one.`, {
    hint: 'Fetch both again, or take the next inventory.',
  })
}

/** Of an inventory that was copied here, its data files lie beside it or in `data/`; else they are in their bucket. */
async function dataFile(
  place: string,
  inventory: Inventory,
  key: string,
  services: ManifestServices,
): Promise<{ shown: string; content: AsyncIterable<Uint8Array> }> {
  const bucket = bucketOfFiles(inventory)
  const address = addressOf(bucket, key)
  if (!inBucket.test(place) && place !== '-') {
    const folder = dirname(resolve(services.cwd, place))
    const name = basename(key)
    for (const path of [join(folder, '..', 'data', name), join(folder, 'data', name), join(folder, name)]) {
      const isThere = await access(systemPath(path)).then(
        () => true,
        () => false,
      )
      if (isThere) return { shown: shownPath(path), content: contentOf(path, services, shownPath(path)) }
    }
  }
  return { shown: address, content: contentOf(address, services, address) }
}
