/** One of several parts of the inputs, for as many machines that know nothing of each other. */
import { createHash } from 'node:crypto'
import { RmbgError, unexpected } from '../../errors.ts'
import type { Candidate, Candidates } from '../inputs.ts'

export interface Part {
  /** From 1. */
  number: number
  of: number
}

/** Variables that array jobs set: the place of the job, from 0, and how many there are where the scheduler says so. */
const arrays = [
  { index: 'AWS_BATCH_JOB_ARRAY_INDEX', size: 'AWS_BATCH_JOB_ARRAY_SIZE' },
  { index: 'JOB_COMPLETION_INDEX', size: undefined },
] as const

/**
 * @param text `3/8` is the third of eight; `auto` is what AWS Batch says; `auto/8` is what Kubernetes says, which tells a
 *   job its index and not how many there are
 * @throws RmbgError USAGE
 */
export function partOf(text: string, env: NodeJS.ProcessEnv): Part {
  const [, given, count] = /^(auto|\d+)(?:\/(\d+))?$/.exec(text) ?? []
  if (given === undefined || (given !== 'auto' && count === undefined)) {
    throw unexpected('--part', 'a part such as 3/8, or auto or auto/8 in an array job,', text)
  }
  const part =
    given === 'auto'
      ? partOfArray(count === undefined ? undefined : Number(count), env)
      : { number: Number(given), of: Number(count) }
  if (part.number < 1 || part.number > part.of) {
    throw new RmbgError(
      'USAGE',
      `--part ${text} is part ${part.number} of ${part.of}, which does not exist.`,
      {
        hint: 'Parts count from 1: --part 1/8 to --part 8/8.',
      },
    )
  }
  return part
}

function partOfArray(count: number | undefined, env: NodeJS.ProcessEnv): Part {
  const array = arrays.find(({ index }) => /^\d+$/.test(env[index] ?? ''))
  if (!array) {
    throw new RmbgError('USAGE', '--part auto is for array jobs, and this is none.', {
      hint: `It reads ${arrays.map(({ index }) => index).join(' or ')}. Elsewhere, name the part: --part 3/8.`,
    })
  }
  const told = array.size && env[array.size]
  const size = told === undefined ? undefined : Number(told)
  const of = count ?? size
  if (of === undefined) {
    throw new RmbgError('USAGE', `${array.index} says which part this is, and nothing says of how many.`, {
      hint: 'Name the number of completions of the job: --part auto/8.',
    })
  }
  if (size !== undefined && size !== of) {
    throw new RmbgError('USAGE', `--part auto/${of} contradicts ${array.size}=${size}.`, {
      hint: 'Leave the number out: --part auto.',
    })
  }
  return { number: Number(env[array.index]) + 1, of }
}

/**
 * Whether a candidate belongs to a part: by a hash of its address or path alone. So parts are disjoint and complete, and
 * stay so, whoever lists, in whichever order, and whatever comes and goes meanwhile.
 */
export function isInPart({ path, loggedPath = path }: Candidate, { number, of }: Part): boolean {
  const hash = createHash('sha256').update(loggedPath).digest()
  return hash.readUInt32BE(0) % of === number - 1
}

/** Those of a part, in their order. */
export function inPart(candidates: Candidates, part: Part): Candidates {
  const { more } = candidates
  const isWanted = (candidate: Candidate) => isInPart(candidate, part)
  const known = function* () {
    for (const candidate of candidates) if (isWanted(candidate)) yield candidate
  }
  let length = 0
  for (const _ of known()) length++
  return {
    length,
    ...(more && { more: filtered(more, isWanted) }),
    [Symbol.iterator]: known,
  }
}

async function* filtered(
  pages: AsyncIterable<readonly Candidate[]>,
  isWanted: (candidate: Candidate) => boolean,
): AsyncGenerator<readonly Candidate[]> {
  for await (const page of pages) yield page.filter(isWanted)
}
