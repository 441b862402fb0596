import { unexpected } from '../errors.ts'

/** A point in time as somebody gave it: an interval of PostgreSQL before now, or an ISO 8601 text. */
export type When = { ago: string } | { at: string }

const units: Record<string, string> = {
  s: 'seconds',
  m: 'minutes',
  h: 'hours',
  d: 'days',
  w: 'weeks',
  mo: 'months',
  y: 'years',
}
const seconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/**
 * `7d`, `6mo`: an interval of PostgreSQL.
 *
 * @throws RmbgError USAGE naming the flag
 */
export function parseAge(flag: string, input: string): string {
  // PostgreSQL knows no date that many years ago.
  const [, count, unit] = /^(?!\d{5}mo|\d{4,}y)(\d{1,5})(s|mo|m|h|d|w|y)$/.exec(input.trim()) ?? []
  if (unit) return `${Number(count)} ${units[unit]}`
  throw unexpected(`--${flag}`, 'an age such as 12h, 7d, 6mo or 1y', input)
}

/**
 * `7d` (ago), `2026-11-01` (midnight UTC), `2026-11-01T08:30:00+01:00`.
 *
 * @throws RmbgError USAGE naming the flag
 */
export function parseWhen(flag: string, input: string): When {
  if (/^\d+[a-z]+$/.test(input.trim())) return { ago: parseAge(flag, input) }
  const isTime = /^(?!0000)\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?$/.test(input)
  const zoned = /T.*(Z|[+-]\d\d:\d\d)$/.test(input)
    ? input
    : `${input}${input.includes('T') ? '' : 'T00:00'}Z`
  // Date.parse takes February 31 for March 3; PostgreSQL would refuse it.
  const day = new Date(`${input.slice(0, 10)}T00:00:00Z`)
  if (isTime && !Number.isNaN(Date.parse(zoned)) && day.toISOString().slice(0, 10) === input.slice(0, 10))
    return { at: zoned }
  const expected = 'a date such as 2026-11-01, a time such as 2026-11-01T08:30Z or an age such as 7d'
  throw unexpected(`--${flag}`, expected, input)
}

/**
 * `90s`, `1h`, `7d`: seconds.
 *
 * @throws RmbgError USAGE naming the flag
 */
export function parseSeconds(flag: string, input: string): number {
  const given = secondsOf(input)
  if (given !== undefined) return given
  throw unexpected(`--${flag}`, 'a duration such as 90s, 15m or 7d', input)
}

/** @returns undefined for what is no duration */
export function secondsOf(input: string): number | undefined {
  const [, count, unit] = /^(\d{1,7})(s|m|h|d|w)$/.exec(input.trim()) ?? []
  return unit === undefined ? undefined : Number(count) * seconds[unit]!
}
