/** Flags that parse their own value: what a command gets is what it works with, not text. */
import * as Flags from '@oclif/core/flags'
import { RmbgError } from '../errors.ts'
import { byteSize } from '../settings/values.ts'
import { parseAge, parseSeconds, parseWhen } from '../settings/when.ts'
import { type ObjectKind, objectKinds } from '../store/contract.ts'

/** oclif hands the flag itself to its parser; its types leave out the name. */
const nameOf = (flag: unknown): string => (flag as { name: string }).name

/** `7d`, `6mo`: an interval of PostgreSQL. */
export const age = Flags.custom<string>({
  helpValue: 'AGE',
  parse: async (input, _context, flag) => parseAge(nameOf(flag), input),
})

/** `7d` (ago) or `2026-11-01`: a point in time. */
export const when = Flags.custom<ReturnType<typeof parseWhen>>({
  helpValue: 'WHEN',
  parse: async (input, _context, flag) => parseWhen(nameOf(flag), input),
})

/** `90s`, `1h`: seconds. */
export const seconds = Flags.custom<number>({
  helpValue: 'DURATION',
  parse: async (input, _context, flag) => parseSeconds(nameOf(flag), input),
})

/** `50%`, `50`: 0 to 100. */
export const share = Flags.custom<number>({
  helpValue: 'PERCENT',
  parse: async (input, _context, flag) => {
    const [, number] = /^(\d+(?:\.\d+)?)%?$/.exec(input.trim()) ?? []
    if (number !== undefined && Number(number) <= 100) return Number(number)
    throw unexpected(flag, 'a share such as 50%', input)
  },
})

/** `4MB`: bytes. */
export const size = Flags.custom<number>({
  helpValue: 'SIZE',
  parse: async (input, _context, flag) => {
    const parsed = byteSize.safeParse(input)
    if (parsed.success) return parsed.data
    throw unexpected(flag, 'a size such as 4MB', input)
  },
})

/** `original,mask`: kinds of objects. */
export const kinds = Flags.custom<ObjectKind[]>({
  helpValue: 'KINDS',
  parse: async (input, _context, flag) =>
    input.split(',').map((name) => {
      const kind = objectKinds.find((known) => known === name.trim())
      if (kind) return kind
      throw unexpected(flag, 'original, mask or processed', name.trim())
    }),
})

/** The one sentence for a flag whose value cannot be used. */
export function unexpected(flag: unknown, expected: string, received: string): RmbgError {
  return new RmbgError('USAGE', `--${nameOf(flag)} expects ${expected} but received "${received}".`)
}
