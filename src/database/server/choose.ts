/** Which of several hosts: the first that lets us in and is what target_session_attrs asks for. */
import { RmbgError } from '../../errors.ts'
import type { Host, Server, SessionWish } from './resolve.ts'
import { type Place, withoutTls } from './socket.ts'
import type { Tls } from './tls.ts'

/** What a server is, once somebody is logged in. */
export interface State {
  isStandby: boolean
  isReadOnly: boolean
}

export interface Chooser {
  /**
   * The place for the next connection. It stays the same until one of them is forgotten.
   *
   * @throws what a server says that refuses the login; RmbgError DATABASE_UNAVAILABLE when no host will do
   */
  choose(): Promise<Place>
  /** A connection to it was lost or could not be made: what it was, it may not be any more. */
  forget(place: Place): void
}

const isWished: Record<SessionWish, (state: State) => boolean> = {
  any: () => true,
  'read-write': ({ isReadOnly, isStandby }) => !isReadOnly && !isStandby,
  'read-only': ({ isReadOnly, isStandby }) => isReadOnly || isStandby,
  primary: ({ isStandby }) => !isStandby,
  standby: ({ isStandby }) => isStandby,
  'prefer-standby': ({ isStandby }) => isStandby,
}

const nouns: Record<SessionWish, string> = {
  any: 'up',
  'read-write': 'a server that takes writes',
  'read-only': 'a server that only reads',
  primary: 'a primary',
  standby: 'a standby',
  'prefer-standby': 'up',
}

/** Errors that say nothing of the next host. */
const away = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'EPIPE',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  '57P01',
  '57P02',
  '57P03',
])

/** "no pg_hba.conf entry for host …, no encryption" */
const refusedPlain = '28000'

type Ask = (place: Place) => Promise<State>

/** @param ask logs in at a place, and out again */
export function hostChooser({ hosts, tls, wish }: Pick<Server, 'hosts' | 'tls' | 'wish'>, ask: Ask): Chooser {
  const ways = hosts.map((host) => waysOf(host, tls.use))
  const [only] = ways.flat()
  if (only !== undefined && ways.flat().length === 1 && isIndifferent(wish))
    return { choose: async () => only, forget: () => {} }
  let chosen: Promise<Place> | undefined
  let current: Place | undefined
  return {
    choose: () => {
      chosen ??= search(ways, wish, ask).then(
        (place) => {
          current = place
          return place
        },
        (error) => {
          chosen = undefined
          throw error
        },
      )
      return chosen
    },
    forget: (place) => {
      if (place === current) chosen = current = undefined
    },
  }
}

/** Into a socket there is no TLS. */
function waysOf(host: Host, use: Tls['use']): Place[] {
  if (host.socketPath !== undefined) return [{ host, use: 'never' }]
  return use === 'avoided'
    ? [
        { host, use },
        { host, use: 'required' },
      ]
    : [{ host, use }]
}

/** Of one host, any and prefer-standby take what it is. */
const isIndifferent = (wish: SessionWish): boolean => wish === 'any' || wish === 'prefer-standby'

async function search(hosts: readonly Place[][], wish: SessionWish, ask: Ask): Promise<Place> {
  const refusals: string[] = []
  const others: Place[] = []
  for (const ways of hosts) {
    const name = ways[0] === undefined ? '' : nameOf(ways[0].host)
    try {
      const { place, state } = await enter(ways, ask)
      if (isWished[wish](state)) return place
      others.push(place)
      refusals.push(`${name} is ${describe(state)}`)
    } catch (error) {
      const { code = '' } = error as { code?: string }
      if (!away.has(code)) throw error
      refusals.push(`${name} cannot be reached (${code})`)
    }
  }
  const [second] = others
  if (wish === 'prefer-standby' && second !== undefined) return second
  throw nobody(wish, refusals)
}

/** Logs in at a host: in plain text and then, if that is refused, with TLS. */
async function enter(ways: readonly Place[], ask: Ask): Promise<{ place: Place; state: State }> {
  let refusal: unknown
  for (const place of ways) {
    try {
      return { place, state: await ask(place) }
    } catch (error) {
      const { code } = error as { code?: string }
      // Of a server that speaks no TLS, what it said to plain text counts.
      if (code === withoutTls && refusal !== undefined) break
      refusal = error
      if (code !== refusedPlain) break
    }
  }
  throw refusal
}

function nobody(wish: SessionWish, refusals: readonly string[]): RmbgError {
  const otherwise = isIndifferent(wish) ? '' : `, or ask for another one than target_session_attrs=${wish}`
  return new RmbgError(
    'DATABASE_UNAVAILABLE',
    `None of the database servers is ${nouns[wish]}: ${refusals.join(', ')}.`,
    { hint: `Start one${otherwise}; --patience 5m waits longer.`, cause: { code: noHost } },
  )
}

/** The code of the error that no host will do. */
export const noHost = 'NO_HOST'

const nameOf = ({ name, port, socketPath }: Host): string =>
  socketPath === undefined ? (name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`) : socketPath

function describe({ isStandby, isReadOnly }: State): string {
  if (isStandby) return 'a standby'
  return isReadOnly ? 'a primary that only reads' : 'a primary'
}
