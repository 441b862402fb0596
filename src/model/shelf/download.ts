import { createHash } from 'node:crypto'
import { open, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pRetry from 'p-retry'
import { EnvHttpProxyAgent, fetch, type Response } from 'undici'
import { sizeText } from '../../bytes.ts'
import { RmbgError } from '../../errors.ts'
import { diskProblem, flush } from '../../system/files.ts'
import { addFile } from './file-digests.ts'
import { networkReason } from './head.ts'
import { gateError, gateProblem } from './hugging-face.ts'

export interface DownloadSource {
  url: string
  /** Sent only to the host of this URL. */
  token?: string | undefined
}

export interface DownloadOptions {
  /** The next one is asked when one cannot be reached. */
  sources: readonly DownloadSource[]
  /** Where the terms of a gated file can be accepted. */
  termsPage: string
  /** Path of the unfinished file; a download continues what is in it. */
  part: string
  /** Bytes, where known. */
  size?: number | undefined
  onProgress?: ((received: number, total: number | undefined) => void) | undefined
  signal?: AbortSignal | undefined
  /** A connection that is silent for this long is given up. */
  stallMs?: number | undefined
  /** Wait before the first retry; doubled each time. */
  backoffMs?: number | undefined
}

export interface Downloaded {
  source: string
  size: number
  /** Hex. */
  sha256: string
  md5: string
}

/** Of each source, after the first try. */
const retries = 3

/**
 * Fetches a large file into `part`. An earlier try is continued if the server still has the same file (Range and If-Range
 * by its ETag). Broken connections, 408, 429 and 5xx are tried again with backoff; proxies are taken from the
 * environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
 *
 * @throws RmbgError MODEL_GATED (401, 403) or MODEL_DOWNLOAD; `part` stays for the next time
 */
export async function download(options: DownloadOptions): Promise<Downloaded> {
  const { stallMs = 30_000 } = options
  const dispatcher = proxied(stallMs)
  let firstFailure: Transient | undefined
  try {
    for (const source of options.sources) {
      try {
        return await fromSource(source, options, dispatcher)
      } catch (error) {
        if (!(error instanceof Transient)) throw error
        firstFailure ??= error
      }
    }
  } finally {
    await dispatcher.destroy()
  }
  throw new RmbgError('MODEL_DOWNLOAD', firstFailure?.message ?? 'There is no place to fetch it from.', {
    hint: 'Check the network and the proxy (HTTPS_PROXY, NO_PROXY), or set HF_ENDPOINT to a mirror. Run the command again to continue where it stopped.',
    cause: firstFailure,
  })
}

/** @throws RmbgError MODEL_DOWNLOAD for a proxy that is no URL */
function proxied(stallMs: number): EnvHttpProxyAgent {
  try {
    return new EnvHttpProxyAgent({ connectTimeout: stallMs, headersTimeout: stallMs, bodyTimeout: stallMs })
  } catch (cause) {
    throw new RmbgError('MODEL_DOWNLOAD', 'HTTPS_PROXY or HTTP_PROXY is not a URL.', {
      hint: 'It looks like http://proxy.example:8080.',
      cause,
    })
  }
}

/** The same source may do better later, and another one now. */
class Transient extends Error {
  /** How long the server asks to be left alone. */
  readonly afterMs: number
  constructor(message: string, { afterMs = 0, cause }: { afterMs?: number; cause?: unknown } = {}) {
    super(message, { cause })
    this.afterMs = afterMs
  }
}

function fromSource(
  source: DownloadSource,
  options: DownloadOptions,
  dispatcher: EnvHttpProxyAgent,
): Promise<Downloaded> {
  const { backoffMs = 1000, signal } = options
  return pRetry(() => attempt(source, options, dispatcher), {
    retries,
    minTimeout: backoffMs,
    ...(signal && { signal }),
    shouldRetry: async ({ error }) => {
      if (!(error instanceof Transient)) return false
      await sleep(error.afterMs, undefined, { signal })
      return true
    },
  })
}

async function attempt(
  source: DownloadSource,
  options: DownloadOptions,
  dispatcher: EnvHttpProxyAgent,
): Promise<Downloaded> {
  const { part } = options
  const started = await begun(part, source.url)
  const response = await request(source, options, started, dispatcher)
  const host = new URL(source.url).host
  if (response.status === 416) {
    // The part is as long as the file, or longer. Only the digest could show whether it is right, so start anew.
    await startAnew(part, response)
    throw new Transient(`${host} does not continue what was fetched before.`)
  }
  await refuse(response, { ...source, host, termsPage: options.termsPage })
  if (response.status === 206 && !isContinuation(response, started)) {
    await startAnew(part, response)
    throw new Transient(`${host} continues another file, or at another place.`)
  }
  const before = response.status === 206 && started ? started.bytes : 0
  const total = await expectedTotal(response, before, host, options)
  await recordEtag(part, source.url, response.headers.get('etag'))
  const received = await receive(response, before, total, { ...options, host })
  await rm(etagFile(part), { force: true })
  return { source: source.url, ...received }
}

/** @throws Transient when there is no answer */
function request(
  { url, token }: DownloadSource,
  { signal }: DownloadOptions,
  started: Begun | undefined,
  dispatcher: EnvHttpProxyAgent,
): Promise<Response> {
  return fetch(url, {
    dispatcher,
    signal: signal ?? null,
    headers: {
      'user-agent': 'rmbg-batch',
      // With another encoding the length could not be checked.
      'accept-encoding': 'identity',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(started && { range: `bytes=${started.bytes}-`, 'if-range': started.etag }),
    },
  }).catch((cause: Error) => {
    signal?.throwIfAborted()
    throw new Transient(`${new URL(url).host} cannot be reached (${networkReason(cause)}).`, { cause })
  })
}

async function startAnew(part: string, response: Response): Promise<void> {
  await response.body?.cancel()
  await rm(part, { force: true })
}

function isContinuation({ headers }: Response, started: Begun | undefined): boolean {
  const isSameFile = started !== undefined && headers.get('etag') === started.etag
  return isSameFile && (headers.get('content-range') ?? '').startsWith(`bytes ${started.bytes}-`)
}

/**
 * @returns bytes of the whole file, if known
 * @throws RmbgError MODEL_DOWNLOAD for another size than the known one, or too little room on the disk
 */
async function expectedTotal(
  response: Response,
  before: number,
  host: string,
  { size, part }: DownloadOptions,
): Promise<number | undefined> {
  const length = response.headers.get('content-length')
  const total = length === null ? size : before + Number(length)
  if (size !== undefined && total !== size) {
    throw new RmbgError('MODEL_DOWNLOAD', `${host} offers a file of ${total} bytes instead of ${size}.`, {
      hint: 'It is not the file this program knows. Check HF_ENDPOINT, or update rmbg-batch.',
    })
  }
  if (total !== undefined) await assertRoom(part, total - before)
  return total
}

/** Keeps only strong ETags: with another one, the next answer could be of another file. */
async function recordEtag(part: string, url: string, etag: string | null): Promise<void> {
  if (etag !== null && !etag.startsWith('W/')) await writeFile(etagFile(part), JSON.stringify({ url, etag }))
  else await rm(etagFile(part), { force: true })
}

/**
 * Appends the body to `part`, and digests the whole file.
 *
 * @param before bytes of `part` that stay
 * @throws Transient when the connection ends early, RmbgError MODEL_DOWNLOAD when the disk fails
 */
async function receive(
  { body }: Response,
  before: number,
  total: number | undefined,
  { host, part, onProgress, signal }: DownloadOptions & { host: string },
): Promise<Omit<Downloaded, 'source'>> {
  const digests = [createHash('sha256'), createHash('md5')] as const
  if (before > 0) await addFile(part, digests)
  const onDisk = <T>(work: Promise<T>) => work.catch((cause) => Promise.reject(diskError(cause, part)))
  const handle = await onDisk(open(part, before > 0 ? 'a' : 'w'))
  let received = before
  try {
    onProgress?.(received, total)
    for await (const chunk of body ?? []) {
      for (const digest of digests) digest.update(chunk)
      await onDisk(handle.writeFile(chunk))
      received += chunk.byteLength
      onProgress?.(received, total)
    }
    await onDisk(flush(handle))
  } catch (cause) {
    signal?.throwIfAborted()
    if (cause instanceof RmbgError) throw cause
    throw new Transient(
      `The connection to ${host} broke off after ${received} of ${total ?? 'unknown'} bytes (${networkReason(cause as Error)}).`,
      { cause },
    )
  } finally {
    await handle.close()
  }
  if (total !== undefined && received !== total) {
    throw new Transient(`${host} sent ${received} of ${total} bytes.`)
  }
  return { size: received, sha256: digests[0].digest('hex'), md5: digests[1].digest('hex') }
}

const etagFile = (part: string): string => `${part}.etag`

/** What an earlier try left. */
interface Begun {
  bytes: number
  etag: string
}

/** @returns undefined when there is nothing that could be continued */
async function begun(part: string, url: string): Promise<Begun | undefined> {
  try {
    const { size } = await stat(part)
    const known = JSON.parse(await readFile(etagFile(part), 'utf8')) as { url: string; etag: string }
    return size > 0 && known.url === url ? { bytes: size, etag: known.etag } : undefined
  } catch {
    return undefined
  }
}

/** @throws RmbgError MODEL_GATED or MODEL_DOWNLOAD, or Transient, unless the answer holds the file or a part of it */
async function refuse(
  response: Response,
  { host, url, token, termsPage }: DownloadSource & { host: string; termsPage: string },
): Promise<void> {
  const { status, headers } = response
  const isPage = /^text\/html/.test(headers.get('content-type') ?? '')
  if ((status === 200 || status === 206) && !isPage) return
  await response.body?.cancel()
  if (status === 401 || status === 403) {
    throw gateError(gateProblem(status, headers, token !== undefined), { host, status, termsPage })
  }
  if (status === 404) {
    throw new RmbgError('MODEL_DOWNLOAD', `${host} does not have ${new URL(url).pathname} (HTTP 404).`, {
      hint: 'Check HF_ENDPOINT, or whether the makers moved it.',
    })
  }
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = Number(headers.get('retry-after') ?? Number.NaN)
    throw new Transient(`${host} is busy or broken (HTTP ${status}).`, {
      afterMs: Number.isNaN(seconds) ? 0 : Math.min(seconds, 60) * 1000,
    })
  }
  throw new RmbgError(
    'MODEL_DOWNLOAD',
    isPage
      ? `${host} sent a web page instead of a model.`
      : `${host} answers with HTTP ${status} instead of a model.`,
    { hint: 'A proxy or a login page may be in between. Check the network, or set HF_ENDPOINT to a mirror.' },
  )
}

/**
 * It is better to stop before the first byte than when the disk is full.
 *
 * @param part a file in the folder that is written to
 * @throws RmbgError MODEL_DOWNLOAD
 */
export async function assertRoom(part: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(part))
  if (bavail * bsize >= bytes) return
  throw new RmbgError(
    'MODEL_DOWNLOAD',
    `The disk of ${dirname(part)} has ${sizeText(bavail * bsize)} free, and ${sizeText(bytes)} are needed.`,
    { hint: 'Make room there, or choose another RMBG_HOME.' },
  )
}

export function diskError(cause: NodeJS.ErrnoException, file: string): RmbgError {
  const refused = diskProblem(cause, dirname(file))
  const isFull = refused?.problem === 'full'
  return new RmbgError(
    'MODEL_DOWNLOAD',
    isFull ? refused.sentence : `${file} cannot be written (${cause.code}).`,
    { hint: isFull ? 'Make room there, or choose another RMBG_HOME.' : 'Check its permissions.', cause },
  )
}
