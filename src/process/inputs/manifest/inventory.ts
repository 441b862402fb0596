/** An inventory of S3: a manifest.json that names data files, which name the objects of a bucket. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { z } from 'zod'
import { RmbgError } from '../../../errors.ts'
import type { Spill } from '../../../system/spill.ts'
import { isImageName } from '../folders.ts'
import { addressOf, decodedKey, type Fields, itemOf, type ManifestEntry } from './entries.ts'
import { csvEntries } from './lines.ts'
import { parquetRows } from './parquet.ts'

const schema = z.object({
  sourceBucket: z.string(),
  /** An ARN: `arn:aws:s3:::bucket`. */
  destinationBucket: z.string(),
  fileFormat: z.string(),
  fileSchema: z.string(),
  files: z.array(z.object({ key: z.string(), MD5checksum: z.string().optional() })),
})

export type Inventory = z.infer<typeof schema>

/** @returns undefined for what is no manifest of an inventory */
export function inventoryOf(text: string): Inventory | undefined {
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** The bucket that the data files lie in. */
export const bucketOfFiles = ({ destinationBucket }: Inventory): string =>
  destinationBucket.replace(/^arn:[^:]*:s3:::/, '')

/** Columns of an inventory, as `nameOf` gives them. */
const columns = ['bucket', 'key', 'size', 'etag', 'islatest', 'isdeletemarker']

interface DataFile {
  /** For sentences. */
  shown: string
  content: AsyncIterable<Uint8Array>
  md5: string | undefined
  spill: Spill
}

/**
 * The pictures that a data file names, by their names. It is brought to disk and compared with its MD5 before anything
 * of it is taken.
 *
 * @throws RmbgError USAGE when it is not what the inventory says
 */
export async function* inventoryEntries(
  inventory: Inventory,
  { shown, content, md5, spill }: DataFile,
): AsyncGenerator<ManifestEntry[]> {
  const digest = createHash('md5')
  const hashed = async function* () {
    for await (const chunk of content) {
      digest.update(chunk)
      yield chunk
    }
  }
  const path = await spill.keep(hashed(), Number.MAX_SAFE_INTEGER)
  try {
    if (md5 !== undefined && digest.digest('hex') !== md5.toLowerCase()) {
      throw new RmbgError('USAGE', `${shown} is not what the inventory says: its MD5 is another one.`, {
        hint: 'Fetch it again, or take the next inventory.',
      })
    }
    yield* inventory.fileFormat.toUpperCase() === 'PARQUET'
      ? parquetEntries(path, shown)
      : csvEntries(unzipped(path, shown), shown, inventory.fileSchema.split(','), itemOfCsv)
  } finally {
    await spill.remove(path)
  }
}

/** @throws RmbgError USAGE */
export function assertReadable({ fileFormat }: Inventory, shown: string): void {
  if (['CSV', 'PARQUET'].includes(fileFormat.toUpperCase())) return
  throw new RmbgError('USAGE', `${shown} is an inventory in ${fileFormat}, which is not read.`, {
    hint: 'Let S3 write it as CSV or Parquet.',
  })
}

async function* unzipped(path: string, shown: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path)
  const text = file.pipe(createGunzip())
  file.once('error', (error) => text.destroy(error))
  try {
    yield* text
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new RmbgError('USAGE', `${shown} cannot be unpacked (${code ?? message}).`, { cause })
  }
}

async function* parquetEntries(path: string, manifest: string): AsyncGenerator<ManifestEntry[]> {
  let line = 0
  for await (const rows of parquetRows(path, manifest, columns)) {
    yield rows.flatMap((fields): ManifestEntry | ManifestEntry[] => {
      line++
      const item = itemOfObject(fields, String(fields.key ?? ''))
      return typeof item === 'string' ? { manifest, line, problem: item } : (item ?? [])
    })
  }
}

/** Keys are URL-encoded in CSV, and in no other format. */
function itemOfCsv(fields: Fields) {
  const key = decodedKey(String(fields.key ?? ''))
  return key === undefined ? 'its key is not URL-encoded' : itemOfObject(fields, key)
}

/** An inventory names everything in a bucket: old versions, folders and what is no picture are not meant. */
function itemOfObject(fields: Fields, key: string): ReturnType<typeof itemOf> | undefined {
  if (isTrue(fields.isdeletemarker) || fields.islatest === 'false' || fields.islatest === false)
    return undefined
  if (key !== '' && !isImageName(key)) return undefined
  const { bucket, size, etag } = fields
  return itemOf({ url: bucket && key !== '' ? addressOf(String(bucket), key) : undefined, size, etag })
}

const isTrue = (value: unknown): boolean => value === true || value === 'true'
