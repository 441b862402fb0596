import { text } from 'node:stream/consumers'
import { validate as isUuid } from 'uuid'
import { RmbgError } from '../errors.ts'

/**
 * Ids of jobs from the command line; `-` stands for a list on standard input, such as `rmbg query --columns job_id`
 * prints: what is no id there (a header) is refused unless it is the first line.
 *
 * @throws RmbgError USAGE
 */
export async function readJobIds(given: readonly string[]): Promise<string[]> {
  const fromInput = given.includes('-') ? (await text(process.stdin)).split(/\s+/).filter(Boolean) : []
  if (fromInput[0] !== undefined && /^job_?id$/i.test(fromInput[0])) fromInput.shift()
  const ids = [...given.filter((id) => id !== '-'), ...fromInput].map((id) => id.toLowerCase())
  const strange = ids.find((id) => !isUuid(id))
  if (strange === undefined) return [...new Set(ids)]
  throw new RmbgError('USAGE', `${JSON.stringify(strange)} is no id of a job.`, {
    hint: 'Ids are as rmbg query prints them; rmbg query --name finds jobs by file name.',
  })
}
