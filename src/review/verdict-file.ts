/** Verdicts in a file: what somebody has said on a page that no server gives. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { Database } from '../database/contract.ts'
import { type Judgement, judge, verdicts } from '../database/verdicts.ts'
import { RmbgError } from '../errors.ts'

/** Far more than a hundred thousand verdicts take. */
const maxFileBytes = 100e6

const fileSchema = z.object({
  rmbg: z.literal('verdicts'),
  version: z.literal(1),
  verdicts: z.array(
    z.object({
      jobId: z.guid(),
      verdict: z.enum(verdicts),
      at: z.iso.datetime(),
      by: z.string().min(1).max(64).optional(),
      note: z.string().max(2000).optional(),
    }),
  ),
})

/** How many verdicts of a file now stand, and what became of the others. */
export interface AppliedVerdicts {
  stands: number
  /** Others have said something later; kept all the same. */
  older: number
  /** Applied before. */
  known: number
  /** Ids of jobs that there are not (any more). */
  unknown: string[]
}

/**
 * Applies a file of verdicts: the later one of a job counts, whoever gave it.
 *
 * @param path absolute
 * @param who says what the file does not say who said it
 * @throws RmbgError USAGE for a file that cannot be read or is none of verdicts
 */
export async function applyVerdicts(
  { sql, flush }: Database,
  path: string,
  who: string,
): Promise<AppliedVerdicts> {
  const given = await readVerdicts(path)
  const judgements = given.map(({ by = who, ...rest }): Judgement => ({ ...rest, by }))
  const states = await judge(sql, judgements)
  await flush()
  const count = (wanted: string) => states.filter((state) => state === wanted).length
  return {
    stands: count('stands'),
    older: count('older'),
    known: count('known'),
    unknown: judgements.flatMap(({ jobId }, index) => (states[index] === 'unknown' ? [jobId] : [])),
  }
}

async function readVerdicts(path: string): Promise<z.infer<typeof fileSchema>['verdicts']> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new RmbgError('USAGE', `The file ${path} cannot be read (${cause.code}).`, { cause })
  })
  const none = (cause: unknown) =>
    new RmbgError('USAGE', `${path} is no file of verdicts.`, {
      hint: 'Save one from the page that rmbg review --html has made.',
      cause,
    })
  if (bytes.byteLength > maxFileBytes) throw none(undefined)
  try {
    return fileSchema.parse(JSON.parse(bytes.toString())).verdicts
  } catch (cause) {
    throw none(cause)
  }
}
