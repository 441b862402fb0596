/** Pictures on the web: asked for politely, taken whole or not at all. */
import { createHash } from 'node:crypto'
import { type LookupAddress, lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pLimit from 'p-limit'
import pRetry from 'p-retry'
import { EnvHttpProxyAgent, fetch, type Response } from 'undici'
import { RmbgError } from '../../errors.ts'
import type { Away, Patience } from '../../system/patience.ts'
import { Passing, type PassingOptions } from './passing.ts'

interface WebFile {
  /** Bytes; undefined where the server does not tell. */
  size: number | undefined
  /** Empty where there is none. */
  etag: string
  /** Milliseconds since 1970. */
  modifiedMs: number | undefined
}

export interface Web {
  /** Asks about a file without fetching it. */
  look(address: string, signal?: AbortSignal): Promise<WebFile>
  /**
   * Fetches a file. Where the connection breaks off, it is fetched again from its begin.
   *
   * @param take gets its bytes, which end early only with an error; compared with the digest that the server sends, if any
   * @param options.ifMatch the ETag that it has to have
   * @returns what `take` returns
   */
  fetch<T>(
    address: string,
    take: (bytes: AsyncIterable<Uint8Array>) => Promise<T>,
    options?: { ifMatch?: string | undefined; signal?: AbortSignal },
  ): Promise<T>
  close(): Promise<void>
}

const mostRedirects = 5
/** After the first try: a short interruption is not spoken of. */
const retries = 3
/** Questions at a time. */
const mostQuestions = 8
/** A server that asks for more is waited for as one that is away. */
const longestPauseMs = 10_000

export interface WebOptions {
  /** A connection that is silent for this long is given up. */
  stallMs?: number
  /** Pause before the second try; doubled each time. */
  backoffMs?: number
  /** New patience, for each server one; none by default. */
  patience?: () => Patience
}

/**
 * Errors are those of one picture: INPUT_NOT_FOUND, INPUT_UNREADABLE, INPUT_CHANGED. A server that is busy or away is asked
 * again, a few times in silence, and then as long as there is patience.
 */
export function openWeb({
  stallMs = 30_000,
  backoffMs = 1000,
  patience = () => impatience,
}: WebOptions = {}): Web {
  const timeouts = { connectTimeout: stallMs, headersTimeout: stallMs, bodyTimeout: stallMs }
  const dispatchers = {
    named: new EnvHttpProxyAgent(timeouts),
    // A server must not lead into the network that this machine is in.
    redirected: new EnvHttpProxyAgent({ ...timeouts, connect: { lookup: publicLookup } }),
  }
  const limit = pLimit(mostQuestions)
  const ask: Ask = async (address, { method, headers, signal }) => {
    let url = new URL(address)
    for (let count = 0; count <= mostRedirects; count++) {
      const isNamed = url.host === new URL(address).host
      if (!isNamed) assertPublic(url)
      const response = await request(url, {
        method,
        headers: { ...headers, ...(isNamed && credentialsOf(address)) },
        signal,
        dispatcher: isNamed ? dispatchers.named : dispatchers.redirected,
      })
      const location = response.headers.get('location')
      if (response.status < 300 || response.status > 399 || location === null) return response
      await response.body?.cancel()
      url = redirected(url, location)
    }
    throw new RmbgError('INPUT_UNREADABLE', `${url.host} redirects more than ${mostRedirects} times.`)
  }
  const retried = <T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> =>
    pRetry(work, {
      retries,
      minTimeout: backoffMs,
      ...(signal && { signal }),
      shouldRetry: async ({ error }) => {
        if (!(error instanceof Passing) || error.afterMs > longestPauseMs) return false
        await sleep(error.afterMs, undefined, { signal })
        return true
      },
    })
  const patiences = new Map<string, Patience>()
  const patiently = <T>(
    address: string,
    work: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> => {
    const { host } = new URL(address)
    const patient = patiences.get(host) ?? patience()
    patiences.set(host, patient)
    return patient(
      () => retried(work, signal),
      (error) => awayOf(error, host),
    )
  }
  return {
    look: (address, signal) => limit(() => patiently(address, () => look(ask, address, signal), signal)),
    fetch: (address, take, { ifMatch, signal } = {}) =>
      patiently(
        address,
        async () => {
          const headers: Record<string, string> = ifMatch === undefined ? {} : { 'if-match': ifMatch }
          const response = checked(await ask(address, { method: 'GET', headers, signal }))
          return take(bodyOf(response, new URL(address).host))
        },
        signal,
      ),
    close: async () => {
      await Promise.all(Object.values(dispatchers).map((dispatcher) => dispatcher.destroy()))
    },
  }
}

interface Question {
  method: 'GET' | 'HEAD'
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
}

type Ask = (address: string, question: Question) => Promise<Response>

const impatience: Patience = (ask) => ask()

const awayOf = (error: unknown, host: string): Away | undefined =>
  error instanceof Passing && error.isAway
    ? { server: host, sentence: error.message, afterMs: error.afterMs }
    : undefined

/** No connection could be made, or it was lost. A name that is not known is not among them: it may be a slip. */
const connectionErrors = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'],
  ...['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_SOCKET'],
])
/** Busy, or a proxy without a server behind it. */
const awayStatuses = [429, 502, 503, 504]

async function request(
  url: URL,
  { dispatcher, signal, method, headers = {} }: Question & { dispatcher: EnvHttpProxyAgent },
): Promise<Response> {
  const bare = new URL(url)
  bare.username = ''
  bare.password = ''
  return fetch(bare, {
    ...{ method, dispatcher, signal: signal ?? null, redirect: 'manual' },
    // With another encoding the length could not be checked.
    headers: {
      'user-agent': 'rmbg-batch',
      accept: 'image/*,*/*;q=0.5',
      'accept-encoding': 'identity',
      ...headers,
    },
  }).catch((cause: Error) => {
    signal?.throwIfAborted()
    const { cause: reason } = cause as { cause?: NodeJS.ErrnoException }
    if (reason?.code === privateCode) throw intoPrivate(url.host)
    throw new Passing(
      `${url.host} cannot be reached (${reason?.code ?? reason?.message ?? cause.message}).`,
      { isAway: connectionErrors.has(reason?.code ?? ''), cause },
    )
  })
}

function credentialsOf(address: string): Record<string, string> {
  const { username, password } = new URL(address)
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

function redirected(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined
  if (
    to === undefined ||
    !/^https?:$/.test(to.protocol) ||
    (from.protocol === 'https:' && to.protocol === 'http:')
  )
    throw new RmbgError('INPUT_UNREADABLE', `${from.host} redirects to where nothing is taken from.`)
  return to
}

/** Signed for GET alone, a presigned URL refuses HEAD. Then the first byte tells. */
async function look(ask: Ask, address: string, signal: AbortSignal | undefined): Promise<WebFile> {
  let response = await ask(address, { method: 'HEAD', signal })
  if ([400, 403, 405, 501].includes(response.status))
    response = await ask(address, { method: 'GET', signal, headers: { range: 'bytes=0-0' } })
  await response.body?.cancel()
  const { headers } = checked(response)
  const [, whole] = /\/(\d+)$/.exec(headers.get('content-range') ?? '') ?? []
  const size = response.status === 206 ? whole : (headers.get('content-length') ?? undefined)
  const modifiedMs = Date.parse(headers.get('last-modified') ?? '')
  return {
    size: size === undefined ? undefined : Number(size),
    etag: headers.get('etag') ?? '',
    modifiedMs: Number.isNaN(modifiedMs) ? undefined : modifiedMs,
  }
}

function checked(response: Response): Response {
  const { status, headers, url } = response
  if (status === 200 || status === 206) return response
  void response.body?.cancel()
  const { host } = new URL(url)
  if (status === 404 || status === 410)
    throw new RmbgError('INPUT_NOT_FOUND', `${host} does not have it (HTTP ${status}).`)
  if (status === 401 || status === 403)
    throw new RmbgError('INPUT_UNREADABLE', `${host} does not let anybody read it (HTTP ${status}).`, {
      hint: 'Its link may have expired, or it needs a user and password.',
    })
  if (status === 412)
    throw new RmbgError('INPUT_CHANGED', 'The picture is another one than the manifest says.', {
      hint: 'Make the manifest anew.',
    })
  const afterMs = afterOf(headers)
  const wish = afterMs > 0 ? ` It asks to be left alone for ${Math.ceil(afterMs / 1000)} s.` : ''
  if (status === 408 || status === 429 || status >= 500)
    throw new Passing(`${host} is busy or broken (HTTP ${status}).${wish}`, {
      afterMs,
      isAway: awayStatuses.includes(status),
    })
  throw new RmbgError('INPUT_UNREADABLE', `${host} answers with HTTP ${status} instead of a picture.`)
}

/** Seconds, or a date (RFC 9110). */
function afterOf(headers: Response['headers']): number {
  const wish = headers.get('retry-after') ?? ''
  const ms = /^\s*\d+\s*$/.test(wish) ? Number(wish) * 1000 : Date.parse(wish) - Date.now()
  return Number.isNaN(ms) ? 0 : Math.max(0, ms)
}

async function* bodyOf({ body, headers }: Response, host: string): AsyncGenerator<Uint8Array> {
  const expected = headers.get('content-length')
  const digests = digestsOf(headers)
  let received = 0
  try {
    for await (const chunk of body ?? []) {
      received += chunk.byteLength
      for (const { hash } of digests) hash.update(chunk)
      yield chunk
    }
  } catch (cause) {
    if (cause instanceof RmbgError) throw cause
    const { code } = ((cause as Error).cause ?? cause) as NodeJS.ErrnoException
    throw broken(host, `the connection broke off${code === undefined ? '' : ` (${code})`}`, {
      isAway: connectionErrors.has(code ?? ''),
      cause,
    })
  }
  if (expected !== null && received !== Number(expected))
    throw broken(host, `${received} of ${expected} bytes came`)
  for (const { hash, base64 } of digests)
    if (hash.digest('base64') !== base64) throw broken(host, 'the bytes are not those of its checksum')
}

/** RFC 9530, and what came before it. */
function digestsOf(headers: Response['headers']) {
  const [, sha256] =
    /sha-256=:?([\w+/=]{44}):?/i.exec(headers.get('repr-digest') ?? headers.get('digest') ?? '') ?? []
  const md5 = headers.get('content-md5')
  return [
    ...(sha256 === undefined ? [] : [{ hash: createHash('sha256'), base64: sha256 }]),
    ...(md5 === null ? [] : [{ hash: createHash('md5'), base64: md5 }]),
  ]
}

const broken = (host: string, why: string, options: PassingOptions = {}): Passing =>
  new Passing(`${host} did not send all of it: ${why}.`, { hint: 'Run the command again.', ...options })

const privateCode = 'ERR_PRIVATE_ADDRESS'
const privateAddresses = new BlockList()
for (const [address, bits] of [
  ...([
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
  ] as const),
  ...([
    ['172.16.0.0', 12],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
    ['224.0.0.0', 3],
  ] as const),
])
  privateAddresses.addSubnet(address, bits, 'ipv4')
for (const [address, bits] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  privateAddresses.addSubnet(address, bits, 'ipv6')

const isPrivate = (address: string, family: number): boolean =>
  privateAddresses.check(address, family === 6 ? 'ipv6' : 'ipv4')

/** A literal address is never looked up. */
function assertPublic({ hostname, host }: URL): void {
  const address = hostname.replace(/^\[|\]$/g, '')
  const family = isIP(address)
  if (family !== 0 && isPrivate(address, family)) throw intoPrivate(host)
}

const intoPrivate = (host: string): RmbgError =>
  new RmbgError('INPUT_UNREADABLE', `It redirects to ${host}, in a private network.`, {
    hint: 'If you trust it, name that address itself.',
  })

/** Looks a name up when the connection is made, so that no second answer can be another one. */
const publicLookup: LookupFunction = (host, options, done) => {
  lookup(host, { ...options, all: true }, (error, found) => {
    const addresses = (found ?? []) as LookupAddress[]
    const [first] = addresses
    if (error || !first) return done(error ?? new Error(host), [])
    if (addresses.some(({ address, family }) => isPrivate(address, family)))
      return done(Object.assign(new Error(host), { code: privateCode }), [])
    if (options.all) done(null, addresses)
    else done(null, first.address, first.family)
  })
}
