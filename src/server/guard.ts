/** Who may ask: see docs/server.md. */
import { timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { RmbgError } from '../errors.ts'
import { sha256Of } from '../system/sha256.ts'

/** Where a server listens. */
export interface Address {
  host: string
  port: number
}

/**
 * `7000`, `127.0.0.1:7000`, `[::1]:7000` or `:7000`, which is every address of the machine.
 *
 * @param flag that the text is the value of, for the error
 * @throws RmbgError USAGE
 */
export function addressOf(text: string, flag = '--listen'): Address {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]:|([^:]*):)?(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (port !== undefined && Number(port) <= 65_535)
    return { host: host === undefined ? '127.0.0.1' : host || '::', port: Number(port) }
  throw new RmbgError('USAGE', `"${text}" is no address to listen at.`, {
    hint: `Name a port, or a host and a port: ${flag} 7000, ${flag} 0.0.0.0:7000`,
  })
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/**
 * Without a token, only this machine is let in.
 *
 * @throws RmbgError REFUSED
 */
export function assertGuarded({ host }: Address, token: string | undefined): void {
  if (token !== undefined || isLoopback(host)) return
  throw new RmbgError('REFUSED', `Anybody who reaches this machine at ${host} could use the server.`, {
    hint: 'Set RMBG_SERVER_TOKEN to a long secret, which callers send as "Authorization: Bearer …".',
  })
}

export interface Asked {
  host: string | undefined
  origin: string | undefined
  authorization: string | undefined
}

/**
 * Why somebody is not let in; undefined who is. With a token, whoever has it. Without one, programs on this machine: a
 * browser that was led here by a foreign page tells its origin, or a host that is not this machine (DNS rebinding).
 */
export function refusal(
  { host, origin, authorization }: Asked,
  token: string | undefined,
): string | undefined {
  if (token !== undefined) {
    const given = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1]
    if (given !== undefined && isSame(given, token)) return undefined
    return 'Send the token of this server: Authorization: Bearer …'
  }
  if (origin !== undefined && !isHere(origin)) return 'Pages of other sites are not let in.'
  if (!isHere(`http://${host}`)) return 'This server answers to the names of this machine only.'
  return undefined
}

const isHere = (url: string): boolean =>
  URL.canParse(url) && isLoopback(new URL(url).hostname.replace(/^\[|\]$/g, ''))

/** Digests are of one length, so that nothing is told by the time that it takes. */
const isSame = (given: string, token: string): boolean =>
  timingSafeEqual(Buffer.from(sha256Of(given)), Buffer.from(sha256Of(token)))
