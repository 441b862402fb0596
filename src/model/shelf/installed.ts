import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { RmbgError } from '../../errors.ts'

/** Kept beside a fetched model. */
export interface Origin {
  /** Where it came from, without a token. */
  source: string
  /** Bytes. */
  size: number
  /** Hex. */
  sha256: string
  /** Whether the digest was known before, or is the one of this first copy. */
  pinned: boolean
  fetchedAt: string
  licence: { name: string; acceptedBy?: string | undefined; acceptedAt?: string | undefined }
  /** Of the file, so that a change is noticed. */
  mtimeMs: number
}

/** Where a variant of a model is, or would be. */
export function modelPaths(modelsFolder: string, name: string, variant: string) {
  const folder = join(modelsFolder, name)
  return { folder, file: join(folder, `${variant}.onnx`), origin: join(folder, `${variant}.origin.json`) }
}

/** What is known of an installed variant; undefined when it is not, or not wholly, installed. */
export async function readOrigin(
  modelsFolder: string,
  name: string,
  variant: string,
): Promise<Origin | undefined> {
  const { file, origin } = modelPaths(modelsFolder, name, variant)
  const present = await stat(file).catch(() => undefined)
  if (!present?.isFile()) return undefined
  try {
    return JSON.parse(await readFile(origin, 'utf8')) as Origin
  } catch {
    return undefined
  }
}

/** The digest of a file: as recorded when nobody touched the file since, else by reading it. */
export async function digestOf(file: string, origin: Origin): Promise<string> {
  const { size, mtimeMs } = await stat(file)
  return size === origin.size && mtimeMs === origin.mtimeMs ? origin.sha256 : sha256Of(file)
}

/**
 * @returns hex
 * @throws RmbgError MODEL_INVALID
 */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(file, { highWaterMark: 2 ** 20 }), hash)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new RmbgError('MODEL_INVALID', `${file} cannot be read (${code}).`, { cause })
  }
  return hash.digest('hex')
}
