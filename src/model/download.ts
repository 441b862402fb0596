import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EnvHttpProxyAgent, fetch, type Response } from 'undici'
import { RmbgError } from '../errors.ts'

export interface DownloadSource {
  url: string
  /** Sent to this URL's host only. */
  token?: string | undefined
  /** Where terms are accepted, if the file is given only to those who did. */
  termsAt?: string | undefined
}

export interface DownloadOptions {
  /** Asked in turn while they cannot be reached. */
  sources: readonly DownloadSource[]
  /** Unfinished; what is in it is gone on from. */
  part: string
  /** Bytes, where known. */
  size?: number | undefined
  /** The caller knows the file's digest, so what one source began another may finish. */
  isPinned?: boolean | undefined
  onProgress?: ((received: number, total: number | undefined) => void) | undefined
  /** Told, as a sentence, what went wrong before another try. */
  onTrouble?: ((message: string) => void) | undefined
  signal?: AbortSignal | undefined
  /** Give up on a connection that is silent for so long. */
  stallMs?: number | undefined
  /** Before the first of three more tries; doubled every time. */
  backoffMs?: number | undefined
}

export interface Downloaded {
  source: string
  size: number
  /** Hex, of what `part` holds. */
  sha256: string
}

/** In a row without a byte more than before. */
const tries = 4

/**
 * Fetches a large file into `part`, going on where an earlier try ended if the server still has the same file (Range and
 * If-Range by its ETag). Broken connections, 408, 429 and 5xx are tried again with backoff, for as long as that brings
 * more of the file; proxies are taken from the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
 *
 * @throws RmbgError MODEL_GATED (401, 403), MODEL_DOWNLOAD, or CONFIG_INVALID for a proxy that is none; `part` stays for
 *   the next time, except on a full disk
 */
export async function download(options: DownloadOptions): Promise<Downloaded> {
  const dispatcher = proxyAgent(options.stallMs ?? defaultStallMs)
  let unreachable: Unreachable | undefined
  try {
    for (const [index, source] of options.sources.entries()) {
      try {
        return await fromSource(source, options, dispatcher)
      } catch (error) {
        if (error instanceof Unreachable) unreachable ??= error
        // What the second source refuses says nothing about the first, which is the one to be repaired.
        else if (!(error instanceof Refusal && unreachable)) throw error
        const next = options.sources[index + 1]
        if (next) options.onTrouble?.(`${unreachable.message} Asking ${new URL(next.url).host} instead.`)
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

const defaultStallMs = 30_000

function proxyAgent(bodyTimeout: number): EnvHttpProxyAgent {
  try {
    return new EnvHttpProxyAgent({ bodyTimeout })
  } catch {
    // The reason may quote the URL, and with it a password.
    throw new RmbgError('CONFIG_INVALID', 'HTTPS_PROXY or HTTP_PROXY is not the URL of a proxy.', {
      hint: 'It looks like http://proxy.example:8080, or http://user:password@proxy.example:8080 with special characters percent-encoded.',
    })
  }
}

/** A server's answer that no further try would change. */
class Refusal extends RmbgError {}
/** Another source may do better. */
class Unreachable extends Error {}
/** The same source may do better later. */
class Transient extends Error {
  /** Bytes of the file that are there. */
  readonly received: number
  readonly afterMs: number | undefined
  constructor(message: string, details: { received?: number; afterMs?: number; cause?: unknown } = {}) {
    super(message, { cause: details.cause })
    this.received = details.received ?? 0
    this.afterMs = details.afterMs
  }
}

async function fromSource(
  source: DownloadSource,
  options: DownloadOptions,
  dispatcher: EnvHttpProxyAgent,
): Promise<Downloaded> {
  const { backoffMs = 1000, signal, onTrouble } = options
  let most = 0
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(source, options, dispatcher)
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof Transient)) throw error
      if (error.received > most) {
        most = error.received
        attempt = 1
      }
      if (attempt === tries) throw new Unreachable(error.message, { cause: error })
      onTrouble?.(`${error.message} Trying again.`)
      await sleep(error.afterMs ?? backoffMs * 2 ** (attempt - 1), undefined, { signal })
    }
  }
}

async function once(
  source: DownloadSource,
  options: DownloadOptions,
  dispatcher: EnvHttpProxyAgent,
): Promise<Downloaded> {
  const { part, size } = options
  const { host } = new URL(source.url)
  const begun = await begunPart(options, source.url)
  const response = await request(source, begun, options, dispatcher)
  if (response.status === 416) {
    await response.body?.cancel()
    const isWhole = begun && response.headers.get('content-range') === `bytes */${begun.bytes}`
    if (isWhole) {
      const hash = createHash('sha256')
      await addFile(part, hash)
      return { source: source.url, size: begun.bytes, sha256: hash.digest('hex') }
    }
    await dropPart(part)
    throw new Transient(`${host} does not go on with what was fetched before.`, { afterMs: 0 })
  }
  await refuse(response, source)
  const goesOn = response.status === 206
  if (goesOn && !continues(response, begun)) {
    await response.body?.cancel()
    await dropPart(part)
    throw new Transient(`${host} goes on with something else than what was asked for.`, { afterMs: 0 })
  }

  const before = goesOn ? begun!.bytes : 0
  const length = Number(response.headers.get('content-length') ?? Number.NaN)
  const total = Number.isNaN(length) ? size : before + length
  if (size !== undefined && total !== undefined && total !== size) {
    await response.body?.cancel()
    throw new Refusal('MODEL_DOWNLOAD', `${host} offers a file of ${total} bytes instead of ${size}.`, {
      hint: 'It is not the file this program knows. Check HF_ENDPOINT, or update rmbg-batch.',
    })
  }
  if (total !== undefined) await assertRoom(part, total - before, goesOn)
  // Before a new origin is noted: it must never seem to vouch for bytes of an earlier one.
  if (!goesOn) await dropPart(part)
  const etag = response.headers.get('etag')
  // Without a strong ETag nothing vouches that the next answer is of the same file.
  const validator = etag !== null && !etag.startsWith('W/') ? etag : undefined
  await writeFile(originFile(part), JSON.stringify({ url: source.url, etag: validator })).catch((cause) =>
    Promise.reject(diskError(cause, part)),
  )

  const { received, sha256 } = await receive(response, host, before, total, options).catch(async (error) => {
    // A disk that is full is not left full.
    if (isFull(error.cause)) await dropPart(part)
    throw error
  })
  if (total !== undefined && received !== total) {
    throw new Transient(`${host} sent ${received} of ${total} bytes.`, { received })
  }
  await rm(originFile(part), { force: true })
  return { source: source.url, size: received, sha256 }
}

interface Begun {
  bytes: number
  /** Absent where the digest alone vouches for the whole. */
  etag?: string
}

async function request(
  { url, token }: DownloadSource,
  begun: Begun | undefined,
  { signal, stallMs = defaultStallMs }: DownloadOptions,
  dispatcher: EnvHttpProxyAgent,
): Promise<Response> {
  // The agent's own limits do not cover a proxy that never answers to CONNECT.
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(new Error(`no answer in ${stallMs / 1000} s`)), stallMs)
  try {
    return await fetch(url, {
      dispatcher,
      signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
      headers: {
        'user-agent': 'rmbg-batch',
        // A length that is not that of the encoded bytes could not be checked.
        'accept-encoding': 'identity',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(begun && { range: `bytes=${begun.bytes}-` }),
        ...(begun?.etag !== undefined && { 'if-range': begun.etag }),
      },
    })
  } catch (error) {
    signal?.throwIfAborted()
    const { host } = new URL(url)
    const reason = networkReason(error as Error)
    if (/CERT|LEAF_SIGNATURE/.test(reason)) {
      throw new Refusal('MODEL_DOWNLOAD', `The certificate of ${host} cannot be verified (${reason}).`, {
        hint: 'If a proxy of your network reads along, name the file of its certificate in NODE_EXTRA_CA_CERTS.',
        cause: error,
      })
    }
    throw new Transient(`${host} cannot be reached (${reason}).`, { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

/** Whether a partial answer begins where the part ends, and is of the same file. */
function continues({ headers }: Response, begun: Begun | undefined): boolean {
  const [, from] = /^bytes (\d+)-/.exec(headers.get('content-range') ?? '') ?? []
  const etag = headers.get('etag')
  return (
    begun !== undefined &&
    Number(from) === begun.bytes &&
    (begun.etag === undefined || etag === null || etag === begun.etag)
  )
}

/** Takes the body down into the part behind the bytes that are there. */
async function receive(
  response: Response,
  host: string,
  before: number,
  total: number | undefined,
  { part, onProgress, signal }: DownloadOptions,
): Promise<{ received: number; sha256: string }> {
  const hash = createHash('sha256')
  if (before > 0) await addFile(part, hash)
  const handle = await open(part, before > 0 ? 'a' : 'w').catch((cause) =>
    Promise.reject(diskError(cause, part)),
  )
  let received = before
  try {
    onProgress?.(received, total)
    for await (const chunk of response.body ?? []) {
      hash.update(chunk)
      await handle.writeFile(chunk).catch((cause) => Promise.reject(diskError(cause, part)))
      received += chunk.byteLength
      onProgress?.(received, total)
    }
  } catch (cause) {
    signal?.throwIfAborted()
    if (cause instanceof RmbgError) throw cause
    throw new Transient(
      `The connection to ${host} broke off after ${received} of ${total ?? 'unknown'} bytes (${networkReason(cause as Error)}).`,
      { received, cause },
    )
  } finally {
    await handle.close()
  }
  return { received, sha256: hash.digest('hex') }
}

/** Beside a part: where it came from, and what vouches for it. */
const originFile = (part: string): string => `${part}.json`

/** Forgets what was fetched so far. */
export async function dropPart(part: string): Promise<void> {
  // First, so that nothing ever vouches for another part.
  await rm(originFile(part), { force: true })
  await rm(part, { force: true })
}

/** What an earlier try left, if it can be gone on from. */
async function begunPart({ part, isPinned }: DownloadOptions, url: string): Promise<Begun | undefined> {
  try {
    const { size: bytes } = await stat(part)
    const origin = JSON.parse(await readFile(originFile(part), 'utf8')) as { url: string; etag?: string }
    if (bytes === 0) return undefined
    if (origin.url === url && origin.etag !== undefined) return { bytes, etag: origin.etag }
    return isPinned ? { bytes } : undefined
  } catch {
    return undefined
  }
}

async function addFile(file: string, hash: Hash): Promise<void> {
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 })) hash.update(chunk)
}

async function refuse(response: Response, { url, token, termsAt }: DownloadSource): Promise<void> {
  const { status, headers } = response
  const { host, pathname } = new URL(url)
  const isPage = /^text\/html/.test(headers.get('content-type') ?? '')
  if ((status === 200 || status === 206) && !isPage) return
  await response.body?.cancel()
  if (termsAt !== undefined && (status === 401 || status === 403)) {
    const steps = `Accept the terms at ${termsAt}, make a token in your account's settings, and set HF_TOKEN to it.`
    throw token === undefined
      ? new Refusal(
          'MODEL_GATED',
          `${host} gives this file only to those who accepted its terms (HTTP ${status}).`,
          { hint: steps },
        )
      : new Refusal('MODEL_GATED', `${host} refuses the token (HTTP ${status}).`, {
          hint: `${steps} It must be of the account that accepted them, and may read gated repositories.`,
        })
  }
  if (status === 401 && token !== undefined) {
    throw new Refusal('MODEL_GATED', `${host} refuses the token (HTTP 401).`, {
      hint: 'This file needs none: unset HF_TOKEN, or set it to a valid one.',
    })
  }
  if (status === 404) {
    throw new Refusal('MODEL_DOWNLOAD', `${host} does not have ${pathname} (HTTP 404).`, {
      hint: 'Check HF_ENDPOINT, or whether the makers moved it.',
    })
  }
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = Number(headers.get('retry-after') ?? Number.NaN)
    throw new Transient(`${host} is busy or broken (HTTP ${status}).`, {
      ...(!Number.isNaN(seconds) && { afterMs: Math.min(seconds, 60) * 1000 }),
    })
  }
  throw new Refusal(
    'MODEL_DOWNLOAD',
    status === 200 || status === 206
      ? `${host} sent a web page instead of a model.`
      : `${host} answers with HTTP ${status} instead of a model.`,
    { hint: 'A proxy or a login page may be in between. Check the network, or set HF_ENDPOINT to a mirror.' },
  )
}

/** @param goesOn otherwise the part is written over, and its bytes count as free */
async function assertRoom(part: string, bytes: number, goesOn: boolean): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(part))
  const overwritten = goesOn ? 0 : ((await stat(part).catch(() => undefined))?.size ?? 0)
  const free = bavail * bsize + overwritten
  if (free >= bytes) return
  const size = (value: number) =>
    value < 1e9 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e9).toFixed(1)} GB`
  throw new RmbgError(
    'MODEL_DOWNLOAD',
    `The disk of ${dirname(part)} has ${size(free)} free, and ${size(bytes)} are needed.`,
    { hint: 'Make room there, or choose another RMBG_HOME.' },
  )
}

const isFull = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')

export function diskError(cause: NodeJS.ErrnoException, file: string): RmbgError {
  return new RmbgError(
    'MODEL_DOWNLOAD',
    isFull(cause) ? `The disk of ${dirname(file)} is full.` : `${file} cannot be written (${cause.code}).`,
    {
      hint: isFull(cause) ? 'Make room there, or choose another RMBG_HOME.' : 'Check its permissions.',
      cause,
    },
  )
}

/** undici wraps what the system said, or says it itself with a code that tells people nothing. */
function networkReason(error: Error): string {
  const { code, message } = (error.cause ?? error) as NodeJS.ErrnoException
  if (code !== undefined && !code.startsWith('UND_ERR')) return code
  const [, status] = /^Proxy response \((\d+)\)/.exec(message) ?? []
  return status === undefined ? message : `the proxy answers with HTTP ${status}`
}
