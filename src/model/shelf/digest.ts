import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { RmbgError } from '../../errors.ts'
import { sha256Of, sha256OfFile } from '../../system/sha256.ts'
import { externalData } from './external-data.ts'

/**
 * Identifies what a model computes: the SHA-256 of its file, or, when it keeps weights in other files, that of a list
 * of all their digests.
 *
 * @returns hex SHA-256
 * @throws RmbgError MODEL_INVALID when one of the files cannot be read
 */
export async function sha256OfModel(file: string): Promise<string> {
  const graph = await digestOf(file, (reason) => `${file} cannot be read (${reason})`)
  const locations = await externalData(file)
  if (locations.length === 0) return graph
  const lines = [graph]
  for (const location of locations) {
    const path = resolve(dirname(file), location)
    const unreadable = (reason: string) =>
      `${file} keeps its weights in ${path}, which cannot be read (${reason})`
    lines.push(`${await digestOf(path, unreadable)}  ${location}`)
  }
  return sha256Of(lines.join('\n'))
}

async function digestOf(path: string, problem: (reason: string) => string): Promise<string> {
  try {
    // A device may have no end, and a pipe may never begin.
    if (!(await stat(path)).isFile()) throw new RmbgError('MODEL_INVALID', `${problem('it is no file')}.`)
    return await sha256OfFile(path)
  } catch (cause) {
    if (cause instanceof RmbgError) throw cause
    const { code = 'unknown' } = cause as NodeJS.ErrnoException
    throw new RmbgError('MODEL_INVALID', `${problem(code)}.`, { cause })
  }
}
