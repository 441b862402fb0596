import * as Flags from '@oclif/core/flags'
import type { JobFilter } from '../database/filters.ts'
import { RmbgError } from '../errors.ts'
import { byteSize } from '../settings/values.ts'
import { parseWhen } from '../settings/when.ts'

const helpGroup = 'FILTER'

/** Which jobs are wanted. */
export const filterFlags = {
  user: Flags.string({ helpGroup, description: 'of this user' }),
  status: Flags.string({
    helpGroup,
    multiple: true,
    multipleNonGreedy: true,
    options: ['pending', 'processing', 'completed', 'failed'],
    description: 'in this state; repeatable, for one of several',
  }),
  since: Flags.string({
    helpGroup,
    helpValue: 'WHEN',
    description: 'created at or after a date, a time or an age, such as 2026-11-01 or 7d',
  }),
  until: Flags.string({ helpGroup, helpValue: 'WHEN', description: 'created before' }),
  tag: Flags.string({
    helpGroup,
    multiple: true,
    multipleNonGreedy: true,
    description: 'with this tag; repeatable, for all of several',
  }),
  'tag-like': Flags.string({ helpGroup, description: 'with a tag that reads like this' }),
  param: Flags.string({
    helpGroup,
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'KEY=VALUE',
    description: 'made with this parameter, such as model.name=rmbg-2.0; repeatable',
  }),
  params: Flags.string({
    helpGroup,
    helpValue: 'JSON',
    description: 'made with parameters that contain this JSON',
  }),
  'larger-than': Flags.string({
    helpGroup,
    helpValue: 'SIZE',
    description: 'whose file is larger, such as 4MB',
  }),
  name: Flags.string({
    helpGroup,
    helpValue: 'GLOB',
    description: "whose file's name matches, folders left out; quote it",
  }),
  error: Flags.string({
    helpGroup,
    helpValue: 'CODE|TEXT',
    description: 'failed with this code, or with a sentence that holds this text',
  }),
  'needs-review': Flags.boolean({ helpGroup, default: false, description: 'a person should look at' }),
}

interface GivenFilter {
  user?: string | undefined
  status?: string[] | undefined
  since?: string | undefined
  until?: string | undefined
  tag?: string[] | undefined
  'tag-like'?: string | undefined
  param?: string[] | undefined
  params?: string | undefined
  'larger-than'?: string | undefined
  name?: string | undefined
  error?: string | undefined
  'needs-review': boolean
}

/** @throws RmbgError USAGE naming the flag */
export function toFilter(flags: GivenFilter): JobFilter {
  const larger = flags['larger-than'] === undefined ? undefined : byteSize.safeParse(flags['larger-than'])
  if (larger && !larger.success) throw new RmbgError('USAGE', '--larger-than expects a size such as 4MB.')
  const params = containment(flags.param ?? [], flags.params)
  return {
    ...(flags.user !== undefined && { user: flags.user }),
    ...(flags.status && { statuses: [...new Set(flags.status)] }),
    ...(flags.since !== undefined && { since: parseWhen('since', flags.since) }),
    ...(flags.until !== undefined && { until: parseWhen('until', flags.until) }),
    ...(flags.tag && { tags: [...new Set(flags.tag)] }),
    ...(flags['tag-like'] !== undefined && { tagLike: flags['tag-like'] }),
    ...(params && { params }),
    ...(larger && { largerThanKb: Math.floor(larger.data / 1024) }),
    ...(flags.name !== undefined && { name: flags.name }),
    ...(flags.error !== undefined && { error: flags.error }),
    ...(flags['needs-review'] && { needsReview: true }),
  }
}

/** `a.b=1` and a JSON object as one object; values that are JSON are taken as such, others as text. */
function containment(
  pairs: readonly string[],
  json: string | undefined,
): Record<string, unknown> | undefined {
  if (pairs.length === 0 && json === undefined) return undefined
  const wanted = json === undefined ? {} : parseObject(json)
  for (const pair of pairs) {
    const [, path, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
    if (path === undefined) {
      throw new RmbgError('USAGE', `--param expects KEY=VALUE but received "${pair}".`)
    }
    const keys = path.split('.')
    const last = keys.pop()!
    let level = wanted
    for (const key of keys) {
      // Not a property of every object: a key may be called "constructor".
      if (!Object.hasOwn(level, key) || typeof level[key] !== 'object' || level[key] === null) {
        Object.defineProperty(level, key, { value: {}, enumerable: true, configurable: true, writable: true })
      }
      level = level[key] as Record<string, unknown>
    }
    Object.defineProperty(level, last, { value: parsed(value!), enumerable: true, configurable: true })
  }
  if (!isStorable(wanted)) {
    throw new RmbgError('USAGE', '--param and --params expect text that a database can hold.')
  }
  return wanted
}

/** JSON may hold NUL and halves of characters, PostgreSQL may not. */
function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return !value.includes('\0') && !/\p{Cs}/u.test(value)
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, each]) => isStorable(key) && isStorable(each))
}

function parsed(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

function parseObject(json: string): Record<string, unknown> {
  const value = parsed(json)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw new RmbgError('USAGE', `--params expects a JSON object, such as '{"refine":true}'.`)
}
