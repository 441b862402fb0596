/** What an address of a bucket stands for: one object, the pictures below a prefix, or what a glob matches. */
import { posix } from 'node:path'
import { RmbgError } from '../../errors.ts'
import type { InputBucket } from '../../store/input-bucket.ts'
import { isImageName } from './folders.ts'

export interface BucketPattern {
  bucket: string
  /** The key, or glob. */
  key: string
  /** What every key begins with that is meant. */
  prefix: string
  /** The part of it that names folders: paths below `--output` start behind it. */
  base: string
}

/** @throws RmbgError USAGE */
export function bucketPattern(text: string): BucketPattern {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/?(.*)$/is.exec(text) ?? []
  if (!/^[a-z0-9][\w.-]+$/i.test(bucket)) {
    throw new RmbgError('USAGE', `${text} names no bucket.`, {
      hint: 'It looks like s3://bucket/photos/**/*.jpg.',
    })
  }
  const [prefix = ''] = /^(?:(?![*?[{]|[!+@]\().)*/s.exec(key) ?? []
  return { bucket, key, prefix, base: prefix.slice(0, prefix.lastIndexOf('/') + 1) }
}

/** An object that exists is meant as it is called, whatever characters that has. */
export async function matcher(
  { key, prefix }: BucketPattern,
  bucket: InputBucket,
  signal: AbortSignal | undefined,
): Promise<(key: string) => boolean> {
  if (key !== '' && !key.endsWith('/') && (await exists(bucket, key, signal))) return (other) => other === key
  if (prefix !== key) {
    const { Minimatch } = await import('minimatch')
    const glob = new Minimatch(key, { nocomment: true, nonegate: true })
    return (other) => glob.match(other)
  }
  const folder = key === '' || key.endsWith('/') ? key : `${key}/`
  return (other) => other.startsWith(folder) && isImageName(posix.basename(other))
}

async function exists(bucket: InputBucket, key: string, signal: AbortSignal | undefined): Promise<boolean> {
  // A key sorts before all those that it begins.
  for await (const found of bucket.list(key, signal)) return found.key === key
  return false
}

/** @param ignore globs; one without a slash matches names */
export async function ignoring(ignore: readonly string[]): Promise<(key: string) => boolean> {
  if (ignore.length === 0) return () => false
  const { Minimatch } = await import('minimatch')
  const globs = ignore.map((glob) => new Minimatch(glob.includes('/') ? glob : `**/${glob}`, { dot: true }))
  return (key) => globs.some((glob) => glob.match(key))
}

/** Whether an object says that a store of ours lies in there. */
export const isMarker = (key: string): boolean => posix.basename(key) === 'rmbg-owner.json'

export const holdsStore = (place: string): RmbgError =>
  new RmbgError('REFUSED', `A store of rmbg lies in there (${place}): its objects are no inputs.`, {
    hint: 'Name the prefix of the pictures. To make new cut-outs of stored originals, use --from-mask.',
  })
