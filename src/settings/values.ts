/** What settings are made of. */
import parseBytes from 'bytes'
import { z } from 'zod'

export const text = z.string().trim().min(1)
export const byteSize = z
  .union([z.number(), text])
  .transform((value) => parseBytes.parse(value))
  .refine((bytes) => bytes !== null && bytes > 0, 'expected a size such as 4GB')
  .transform((bytes) => Math.floor(bytes!))
export const flag = z.union([
  z.boolean(),
  z.stringbool({ truthy: ['true', '1', 'yes'], falsy: ['false', '0', 'no'] }),
])
export const list = z.union([z.array(text), text.transform((value) => [value])])
