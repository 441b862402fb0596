/** What a connection URL says, in libpq's keywords. */
import { parse } from 'pg-connection-string'
import { RmbgError } from '../../errors.ts'

/** Connection parameters under libpq's names, and ours: see `parameters.ts`. */
export type Given = Record<string, string>

/** Scheme, user and password, hosts, database, query. As in libpq, the last @ before a slash ends the password. */
const shape = /^postgres(?:ql)?:\/\/(?:([^/]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/is

/**
 * Reads `postgres://user:password@host:port,host:port/database?parameter=value`, every part of which may be missing.
 *
 * pg-connection-string 2.14 knows one host, reads the files of certificates at once, and gives sslmode a meaning of
 * its own. So it is given each host alone, and never the query.
 *
 * @throws RmbgError DATABASE_UNAVAILABLE when it is no such URL; nothing of it is repeated
 */
export function parseUrl(url: string): Given {
  const [, login = '', hosts, database = '', query = ''] = shape.exec(url) ?? []
  if (hosts === undefined) throw notAUrl()
  try {
    decodeURIComponent(url)
    const { user, password } = parse(`postgres://${login.replaceAll(/[?#]/g, encodeURIComponent)}@host`)
    const places = hosts.split(',').map(placeOf)
    const ports = places.map(({ port }) => port)
    return nonEmpty({
      host: places.map(({ host }) => host).join(','),
      port: ports.some(Boolean) ? ports.join(',') : undefined,
      user,
      password,
      dbname: decodeURIComponent(database),
      // In libpq a + is a plus.
      ...Object.fromEntries(new URLSearchParams(query.replaceAll('+', '%2B'))),
    })
  } catch {
    throw notAUrl()
  }
}

/** `host`, `host:port`, `[IPv6]:port`, `:port`, or the folder of a socket, encoded: `%2Fvar%2Frun`. */
function placeOf(text: string): { host: string; port: string } {
  if (/^(:\d*)?$/.test(text)) return { host: '', port: text.slice(1) }
  const { host, port } = parse(`postgres://${text}/`)
  return { host: host ?? '', port: port ?? '' }
}

const nonEmpty = (given: Record<string, string | undefined>): Given =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value)) as Given

const notAUrl = (): RmbgError =>
  new RmbgError('DATABASE_UNAVAILABLE', 'DATABASE_URL is not a PostgreSQL URL.', {
    hint: 'It looks like postgres://user:password@host:5432/database; encode special characters in the password.',
  })
