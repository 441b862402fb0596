/** Flags that parse their own value: what a command gets is what it works with, not text. */
import * as Flags from '@oclif/core/flags'
import { unexpected } from '../errors.ts'
import { environmentVariable } from '../settings/definitions.ts'
import { byteSize } from '../settings/values.ts'
import { parseAge, parseSeconds, parseWhen, type When } from '../settings/when.ts'
import { type ObjectKind, objectKinds } from '../store/contract.ts'
import { type Column, columnNamed, columnNames } from './job-columns.ts'

/** oclif hands the flag itself to its parser; its types leave out the name. */
const nameOf = (flag: unknown): string => (flag as { name: string }).name

const refused = (flag: unknown, expected: string, received: string) =>
  unexpected(`--${nameOf(flag)}`, expected, received)

/** `7d`, `6mo`: an interval of PostgreSQL. */
export const age = Flags.custom<string>({
  helpValue: 'AGE',
  parse: async (input, _context, flag) => parseAge(nameOf(flag), input),
})

/** `7d` (ago) or `2026-11-01`: a point in time. */
export const when = Flags.custom<When>({
  helpValue: 'WHEN',
  parse: async (input, _context, flag) => parseWhen(nameOf(flag), input),
})

/** `90s`, `1h`: seconds, and no more than `most`. */
export const seconds = Flags.custom<number, { most?: string }>({
  helpValue: 'DURATION',
  parse: async (input, _context, flag) => {
    const given = parseSeconds(nameOf(flag), input)
    const { most } = flag
    if (most === undefined || given <= parseSeconds(nameOf(flag), most)) return given
    throw refused(flag, `at most ${most}`, input)
  },
})

/** Of every command that asks a server; a setting, so it is parsed with the others. */
export const patienceFlag = {
  patience: Flags.string({
    helpGroup: 'GLOBAL',
    helpValue: 'DURATION',
    description: `how long to wait for a server that is away: database, object store, or web; 0 fails at once (default: 2m) [env: ${environmentVariable('patience')}]`,
  }),
}

/** `50%`, `50`: 0 to 100. */
export const share = Flags.custom<number>({
  helpValue: 'PERCENT',
  parse: async (input, _context, flag) => {
    const [, number] = /^(\d+(?:\.\d+)?)%?$/.exec(input.trim()) ?? []
    if (number !== undefined && Number(number) <= 100) return Number(number)
    throw refused(flag, 'a share such as 50%', input)
  },
})

/** `4MB`: bytes. */
export const size = Flags.custom<number>({
  helpValue: 'SIZE',
  parse: async (input, _context, flag) => {
    const parsed = byteSize.safeParse(input)
    if (parsed.success) return parsed.data
    throw refused(flag, 'a size such as 4MB', input)
  },
})

/** `original,mask`: kinds of objects. */
export const kinds = Flags.custom<ObjectKind[]>({
  helpValue: 'KINDS',
  parse: async (input, _context, flag) =>
    input.split(',').map((name) => {
      const kind = objectKinds.find((known) => known === name.trim())
      if (kind) return kind
      throw refused(flag, 'original, mask or processed', name.trim())
    }),
})

/** `job_id,status`: columns of a job. */
export const columns = Flags.custom<Column[]>({
  helpValue: 'A,B',
  parse: async (input, _context, flag) =>
    input.split(',').map((name) => {
      const column = columnNamed(name)
      if (column) return column
      throw refused(flag, `names out of ${columnNames()}`, name.trim())
    }),
})

/** A part of JSON that jobs' parameters have to contain. */
export interface JsonPart {
  path: readonly string[]
  value: unknown
}

/** `model.name=rmbg-2.0`: a value that is JSON is taken as such, another one as text. */
export const keyValue = Flags.custom<JsonPart>({
  helpValue: 'KEY=VALUE',
  parse: async (input, _context, flag) => {
    const [, path, text] = /^([^=]+)=(.*)$/s.exec(input) ?? []
    if (path === undefined || text === undefined) throw refused(flag, 'KEY=VALUE', input)
    const part = { path: path.split('.'), value: jsonOr(text, text) }
    if (isStorable(part)) return part
    throw refused(flag, 'text that a database can hold', input)
  },
})

/** `{"refine":true}`: an object. */
export const jsonObject = Flags.custom<Record<string, unknown>>({
  helpValue: 'JSON',
  parse: async (input, _context, flag) => {
    const value = jsonOr(input, undefined)
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw refused(flag, `a JSON object such as '{"refine":true}'`, input)
    if (isStorable(value)) return value as Record<string, unknown>
    throw refused(flag, 'text that a database can hold', input)
  },
})

function jsonOr(text: string, otherwise: unknown): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return otherwise
  }
}

/** JSON may hold NUL and halves of characters, PostgreSQL may not. */
function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return !value.includes('\0') && !/\p{Cs}/u.test(value)
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, each]) => isStorable(key) && isStorable(each))
}
