/** Where the local files of a run go: what `--output`, `--suffix` and `--masks` mean together. */
import { statSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import type { CutoutFormat } from '../cutout/options.ts'
import { RmbgError } from '../errors.ts'
import { shownPath, systemPath } from '../system/file-names.ts'
import { bucketPattern } from './inputs/bucket-pattern.ts'

/** Where cut-outs go besides the store. */
export type Destination =
  /** A folder that mirrors the inputs. */
  | { to: 'folder'; folder: string; suffix: string }
  /** Each into the folder of its input. */
  | { to: 'inputs'; suffix: string }
  /** The one cut-out of the run. */
  | { to: 'file'; path: string; format: CutoutFormat }
  /** A bucket, where keys mirror the inputs. The prefix is empty, or ends in a slash. */
  | { to: 'bucket'; bucket: string; prefix: string; suffix: string }
  | { to: 'standard output' }
  | { to: 'store' }

interface DestinationWish {
  /** As typed: a folder, a file, or `-` for standard output. */
  output?: string | undefined
  /** Put before the extension of the cut-outs' names. */
  suffix?: string | undefined
}

const formatOf: Readonly<Record<string, CutoutFormat>> = {
  png: 'png',
  webp: 'webp',
  avif: 'avif',
  tif: 'tiff',
  tiff: 'tiff',
  jpg: 'jpeg',
  jpeg: 'jpeg',
  jpe: 'jpeg',
  jfif: 'jpeg',
}
/** Nobody calls a folder that, and no cut-out is of that kind. */
const otherPictures = 'gif heic heif bmp jxl psd svg pdf'.split(' ')

/**
 * A name that ends like a picture is a file, unless a folder has that name. Any other name is a folder.
 *
 * @throws RmbgError USAGE for a picture of a kind that cut-outs are not written in, for a suffix that does not go with the
 *   output, and where a file stands in the place of the folder
 */
export function destinationOf({ output, suffix }: DestinationWish, cwd: string): Destination {
  if (output === undefined) return suffix === undefined ? { to: 'store' } : { to: 'inputs', suffix }
  if (/^s3:\/\//i.test(output)) return bucketOf(output, suffix ?? '')
  const path = resolve(cwd, output)
  const isFolder =
    /[/\\]$/.test(output) || statSync(systemPath(path), { throwIfNoEntry: false })?.isDirectory()
  const extension = extname(path).slice(1).toLowerCase()
  const format = isFolder ? undefined : formatOf[extension]
  if (output !== '-' && format === undefined) {
    if (!isFolder && otherPictures.includes(extension)) throw cannotWrite(output, extension)
    return { to: 'folder', folder: outputFolder('--output', path), suffix: suffix ?? '' }
  }
  if (suffix !== undefined) {
    throw new RmbgError('USAGE', `--suffix has no meaning with --output ${output}, which is one file.`, {
      hint: 'Leave one of them out, or name a folder with --output.',
    })
  }
  return format === undefined ? { to: 'standard output' } : { to: 'file', path, format }
}

/**
 * A folder to write to, which may not be there yet.
 *
 * @throws RmbgError USAGE where something else has its name: no image could be written
 */
export function outputFolder(flag: '--output' | '--masks', path: string): string {
  const found = statSync(systemPath(path), { throwIfNoEntry: false })
  if (!found || found.isDirectory()) return path
  throw new RmbgError('USAGE', `${flag} ${shownPath(path)} is there already, and is no folder.`, {
    hint: 'Choose another name.',
  })
}

function bucketOf(output: string, suffix: string): Destination {
  const [, bucket, path = ''] = /^s3:\/\/([a-z0-9][\w.-]+)\/?(.*)$/i.exec(output) ?? []
  const isPlain =
    path.split('/').every((part) => part !== '.' && part !== '..') && !/[\p{Cc}\\]|\/\/|^\//u.test(path)
  if (bucket === undefined || !isPlain || Buffer.byteLength(path) > 500) {
    throw new RmbgError('USAGE', `--output ${output} names no bucket and prefix.`, {
      hint: 'It looks like s3://bucket/cutouts/.',
    })
  }
  const prefix = path === '' || path.endsWith('/') ? path : `${path}/`
  return { to: 'bucket', bucket, prefix, suffix }
}

/**
 * Refuses a bucket output that inputs lie in, or that lies among them: the next run would take cut-outs for pictures, and
 * what listens to the inputs would be told of them.
 *
 * @param addresses of inputs, as typed
 * @throws RmbgError REFUSED
 */
export function assertApart(destination: Destination, addresses: readonly string[]): void {
  if (destination.to !== 'bucket') return
  const { bucket, prefix } = destination
  for (const address of addresses) {
    const input = bucketPattern(address)
    if (input.bucket !== bucket || !(input.prefix.startsWith(prefix) || prefix.startsWith(input.prefix)))
      continue
    const [inner, outer] = prefix.startsWith(input.prefix)
      ? ['--output', `the input ${address}`]
      : [`The input ${address}`, '--output']
    throw new RmbgError(
      'REFUSED',
      `${inner} lies within ${outer}, and cut-outs would be among the pictures.`,
      {
        hint: 'Choose a prefix for --output that holds no inputs, and lies in none.',
      },
    )
  }
}

/** Whether an object lies where cut-outs go. */
export const liesIn = (destination: Destination, bucket: string, key: string): boolean =>
  destination.to === 'bucket' && destination.bucket === bucket && key.startsWith(destination.prefix)

const cannotWrite = (output: string, extension: string): RmbgError =>
  new RmbgError('USAGE', `A cut-out cannot be written as ${extension.toUpperCase()}: --output ${output}.`, {
    hint: 'Let the name end in .png, .webp, .avif, .tiff or .jpg, or in a slash if it is a folder.',
  })

/**
 * The format that the name of the one file asks for.
 *
 * @param wanted what `--format` and `--preset` say
 * @throws RmbgError USAGE when they say something else
 */
export function formatFor(
  destination: Destination,
  wanted: { flag: string | undefined; preset: string | undefined },
): CutoutFormat | undefined {
  if (destination.to !== 'file') return undefined
  const { path, format } = destination
  const [source, other] = wanted.flag === undefined ? ['--preset', wanted.preset] : ['--format', wanted.flag]
  if (other === undefined || other === format) return format
  throw new RmbgError(
    'USAGE',
    `--output ${path} asks for ${format.toUpperCase()}, and ${source} for ${other.toUpperCase()}.`,
    { hint: `Let the name end in .${other === 'jpeg' ? 'jpg' : other}, or leave ${source} out.` },
  )
}
