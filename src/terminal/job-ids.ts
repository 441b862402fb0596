import { text } from 'node:stream/consumers'
import { validate as isUuid } from 'uuid'
import { RmbgError } from '../errors.ts'

/**
 * Ids of jobs from the command line, each once. `-` stands for a list on standard input, such as
 * `rmbg query --columns job_id --csv` prints; its first line may be a header.
 *
 * @throws RmbgError USAGE for anything that is no id
 */
export async function readJobIds(given: readonly string[]): Promise<string[]> {
  const fromInput = given.includes('-') ? (await text(process.stdin)).split(/\s+/).filter(Boolean) : []
  if (fromInput[0] !== undefined && /^job_?id$/i.test(fromInput[0])) fromInput.shift()
  const ids = [...given.filter((id) => id !== '-'), ...fromInput].map((id) => id.toLowerCase())
  const strange = ids.find((id) => !isUuid(id))
  if (strange === undefined) return [...new Set(ids)]
  throw new RmbgError('USAGE', `${JSON.stringify(strange)} is not a job id.`, {
    hint: 'rmbg query prints job ids; rmbg query --name finds jobs by file name.',
  })
}

/**
 * The same, of a command that cannot do without.
 *
 * @throws RmbgError USAGE for anything that is no id, or when there are none
 */
export async function requireJobIds(given: readonly string[]): Promise<string[]> {
  const ids = await readJobIds(given)
  if (ids.length > 0) return ids
  throw new RmbgError('USAGE', 'No jobs given. Name their ids, or - to read them from standard input.')
}
