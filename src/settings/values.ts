/** What settings are made of. */
import { z } from 'zod'
import { parseSize } from '../bytes.ts'
import { secondsOf } from './when.ts'

export const text = z.string().trim().min(1)
/** Bytes, from `4GB`, `4GiB` or a number. */
export const byteSize = z.union([z.number(), text]).transform((value, context) => {
  const bytes = parseSize(String(value))
  if (bytes !== undefined && bytes > 0) return bytes
  context.addIssue({ code: 'custom', message: 'expected a size such as 4GB' })
  return z.NEVER
})
export const flag = z.union([
  z.boolean(),
  z.stringbool({ truthy: ['true', '1', 'yes'], falsy: ['false', '0', 'no'] }),
])
export const list = z.union([z.array(text), text.transform((value) => [value])])
/** Seconds, from `90s`, `2m`, `1h` or 0. */
export const duration = z.union([z.number(), text]).transform((value, context) => {
  const seconds = String(value) === '0' ? 0 : secondsOf(String(value))
  if (seconds !== undefined) return seconds
  context.addIssue({ code: 'custom', message: 'expected a duration such as 30s, 5m or 0' })
  return z.NEVER
})
