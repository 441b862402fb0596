import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { EnvHttpProxyAgent, fetch, type Response } from 'undici'
import { sizeText } from '../../bytes.ts'
import { RmbgError } from '../../errors.ts'
import { diskProblem } from '../../files.ts'

export interface DownloadSource {
  url: string
  /** Sent to this URL's host only. */
  token?: string | undefined
}

export interface DownloadOptions {
  /** Asked in turn while they cannot be reached. */
  sources: readonly DownloadSource[]
  /** Where the terms of a gated file are. */
  termsPage: string
  /** Unfinished; what is in it is gone on from. */
  part: string
  /** Bytes, where known. */
  size?: number | undefined
  onProgress?: ((received: number, total: number | undefined) => void) | undefined
  signal?: AbortSignal | undefined
  /** Give up on a connection that is silent for so long. */
  stallMs?: number | undefined
  /** Before the first of three more tries; doubled every time. */
  backoffMs?: number | undefined
}

export interface Downloaded {
  source: string
  size: number
  /** Hex. */
  sha256: string
  md5: string
}

const tries = 4

/**
 * Fetches a large file into `part`, going on where an earlier try ended if the server still has the same file (Range and
 * If-Range by its ETag). Broken connections, 408, 429 and 5xx are tried again with backoff; proxies are taken from the
 * environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
 *
 * @throws RmbgError MODEL_GATED (401, 403) or MODEL_DOWNLOAD; `part` stays for the next time
 */
export async function download(options: DownloadOptions): Promise<Downloaded> {
  const { stallMs = 30_000 } = options
  const dispatcher = proxied(stallMs)
  try {
    let unreachable: Unreachable | undefined
    for (const source of options.sources) {
      try {
        return await fromSource(source, options, dispatcher)
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error
        unreachable ??= error
      }
    }
    throw new RmbgError('MODEL_DOWNLOAD', unreachable!.message, {
      hint: 'Check the network and the proxy (HTTPS_PROXY, NO_PROXY), or set HF_ENDPOINT to a mirror. Running the command again goes on where it stopped.',
      cause: unreachable,
    })
  } finally {
    await dispatcher.destroy()
  }
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

/** Another source may do better. */
class Unreachable extends Error {}
/** The same source may do better later. */
class Transient extends Error {
  readonly afterMs: number | undefined
  constructor(message: string, afterMs?: number, cause?: unknown) {
    super(message, { cause })
    this.afterMs = afterMs
  }
}

async function fromSource(
  source: DownloadSource,
  options: DownloadOptions,
  dispatcher: EnvHttpProxyAgent,
): Promise<Downloaded> {
  const { backoffMs = 1000, signal } = options
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(source, options, dispatcher)
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof Transient)) throw error
      if (attempt === tries) throw new Unreachable(error.message, { cause: error })
      await sleep(error.afterMs ?? backoffMs * 2 ** (attempt - 1), undefined, { signal })
    }
  }
}

async function once(
  { url, token }: DownloadSource,
  { part, size, termsPage, onProgress, signal }: DownloadOptions,
  dispatcher: EnvHttpProxyAgent,
): Promise<Downloaded> {
  const { host } = new URL(url)
  const started = await begun(part, url)
  const response = await fetch(url, {
    dispatcher,
    signal: signal ?? null,
    headers: {
      'user-agent': 'rmbg-batch',
      // A length that is not that of the encoded bytes could not be checked.
      'accept-encoding': 'identity',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(started && { range: `bytes=${started.bytes}-`, 'if-range': started.etag }),
    },
  }).catch((cause: Error) => {
    signal?.throwIfAborted()
    throw new Transient(`${host} cannot be reached (${networkReason(cause)}).`, undefined, cause)
  })
  if (response.status === 416) {
    // What is there is as long as the file, or longer: only the digest could tell, so it starts anew.
    await rm(part, { force: true })
    throw new Transient(`${host} does not go on with what was fetched before.`, 0)
  }
  await refuse(response, { host, url, termsPage, hasToken: token !== undefined })
  const etag = response.headers.get('etag')
  const goesOn = started !== undefined && response.status === 206
  const isSame =
    etag === started?.etag && response.headers.get('content-range')?.startsWith(`bytes ${started?.bytes}-`)
  if (response.status === 206 && !isSame) {
    await response.body?.cancel()
    await rm(part, { force: true })
    throw new Transient(`${host} goes on with another file, or from another place.`, 0)
  }
  const before = goesOn ? started.bytes : 0
  const length = Number(response.headers.get('content-length') ?? Number.NaN)
  const total = Number.isNaN(length) ? size : before + length
  if (size !== undefined && total !== undefined && total !== size) {
    throw new RmbgError('MODEL_DOWNLOAD', `${host} offers a file of ${total} bytes instead of ${size}.`, {
      hint: 'It is not the file this program knows. Check HF_ENDPOINT, or update rmbg-batch.',
    })
  }
  if (total !== undefined) await assertRoom(part, total - before)
  // Without a strong ETag nothing vouches that the next answer is of the same file.
  if (etag !== null && !etag.startsWith('W/')) await writeFile(etagFile(part), JSON.stringify({ url, etag }))
  else await rm(etagFile(part), { force: true })

  const digests = [createHash('sha256'), createHash('md5')] as const
  if (goesOn) await addFile(part, digests)
  const handle = await open(part, goesOn ? 'a' : 'w').catch((cause) => Promise.reject(diskError(cause, part)))
  let received = before
  try {
    onProgress?.(received, total)
    for await (const chunk of response.body ?? []) {
      for (const digest of digests) digest.update(chunk)
      await handle.writeFile(chunk).catch((cause) => Promise.reject(diskError(cause, part)))
      received += chunk.byteLength
      onProgress?.(received, total)
    }
    await handle.sync()
  } catch (cause) {
    signal?.throwIfAborted()
    if (cause instanceof RmbgError) throw cause
    throw new Transient(
      `The connection to ${host} broke off after ${received} of ${total ?? 'unknown'} bytes (${networkReason(cause as Error)}).`,
      undefined,
      cause,
    )
  } finally {
    await handle.close()
  }
  if (total !== undefined && received !== total) {
    throw new Transient(`${host} sent ${received} of ${total} bytes.`)
  }
  await rm(etagFile(part), { force: true })
  return { source: url, size: received, sha256: digests[0].digest('hex'), md5: digests[1].digest('hex') }
}

const etagFile = (part: string): string => `${part}.etag`

/** What an earlier try left, if it can be gone on from. */
async function begun(part: string, url: string): Promise<{ bytes: number; etag: string } | undefined> {
  try {
    const { size } = await stat(part)
    const known = JSON.parse(await readFile(etagFile(part), 'utf8')) as { url: string; etag: string }
    return size > 0 && known.url === url ? { bytes: size, etag: known.etag } : undefined
  } catch {
    return undefined
  }
}

async function addFile(file: string, digests: readonly Hash[]): Promise<void> {
  await pipeline(
    createReadStream(file, { highWaterMark: 2 ** 20 }),
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) for (const digest of digests) digest.update(chunk)
    },
  )
}

interface Asked {
  host: string
  url: string
  termsPage: string
  hasToken: boolean
}

async function refuse(response: Response, { host, url, termsPage, hasToken }: Asked): Promise<void> {
  const { status, headers } = response
  const isPage = /^text\/html/.test(headers.get('content-type') ?? '')
  if ((status === 200 || status === 206) && !isPage) return
  await response.body?.cancel()
  if (status === 401 || status === 403) {
    throw new RmbgError(
      'MODEL_GATED',
      hasToken
        ? `${host} refuses the token (HTTP ${status}).`
        : `${host} gives this file only to those who accepted its terms (HTTP ${status}).`,
      {
        hint: `Accept the terms at ${termsPage}, make a token in your account's settings, and set HF_TOKEN to it.`,
      },
    )
  }
  if (status === 404) {
    throw new RmbgError('MODEL_DOWNLOAD', `${host} does not have ${new URL(url).pathname} (HTTP 404).`, {
      hint: 'Check HF_ENDPOINT, or whether the makers moved it.',
    })
  }
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = Number(headers.get('retry-after') ?? Number.NaN)
    throw new Transient(
      `${host} is busy or broken (HTTP ${status}).`,
      Number.isNaN(seconds) ? undefined : Math.min(seconds, 60) * 1000,
    )
  }
  throw new RmbgError(
    'MODEL_DOWNLOAD',
    isPage
      ? `${host} sent a web page instead of a model.`
      : `${host} answers with HTTP ${status} instead of a model.`,
    { hint: 'A proxy or a login page may be in between. Check the network, or set HF_ENDPOINT to a mirror.' },
  )
}

/** Better to stop before the first byte than after the last that fits. */
async function assertRoom(part: string, bytes: number): Promise<void> {
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

/** undici wraps what the system said. */
function networkReason(error: Error): string {
  const { cause } = error as { cause?: NodeJS.ErrnoException }
  return cause?.code ?? cause?.message ?? error.message
}
