import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RmbgError } from '../errors.ts'

/** A list of any length that takes little memory: what is too much waits in a temporary file. */
export interface LongList<T> {
  add(value: T): Promise<void>
  /** From the first to the last; as often as wanted, until the list is closed. */
  values(): AsyncGenerator<T>
  /** Frees the file; safe to repeat. */
  close(): Promise<void>
}

/**
 * @param options.memoryCharacters kept in memory, as JSON, before the file is begun
 * @returns a list of values that survive JSON; `add` throws RmbgError REFUSED where the file cannot be written
 */
export function longList<T>({ memoryCharacters = 2 ** 21 } = {}): LongList<T> {
  let file: FileHandle | undefined
  let waiting: string[] = []
  let characters = 0
  return {
    add: async (value) => {
      const line = `${JSON.stringify(value)}\n`
      waiting.push(line)
      characters += line.length
      if (characters < memoryCharacters) return
      try {
        file ??= await openNameless()
        await file.appendFile(waiting.join(''))
      } catch (cause) {
        throw new RmbgError('REFUSED', `The plan cannot be written to ${tmpdir()}.`, {
          hint: 'Free space there, or set TMPDIR to a folder with room.',
          cause,
        })
      }
      waiting = []
      characters = 0
    },
    values: async function* () {
      if (file) yield* valuesOf<T>(file)
      for (const line of waiting) yield JSON.parse(line)
    },
    close: async () => {
      const open = file
      file = undefined
      waiting = []
      await open?.close()
    },
  }
}

/** The name goes at once, so that nothing is left behind however the process ends. */
async function openNameless(): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-plan-'))
  try {
    return await open(join(folder, 'list'), 'wx+', 0o600)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

// Not readLines(): that also ends a line at U+2028, which JSON leaves as it is.
async function* valuesOf<T>(file: FileHandle): AsyncGenerator<T> {
  let rest = ''
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false, encoding: 'utf8' })) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    for (const line of lines) yield JSON.parse(line)
  }
}

/** A stream in groups of `size`, the last one perhaps smaller. */
export async function* inBatches<T>(values: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let batch: T[] = []
  for await (const value of values) {
    batch.push(value)
    if (batch.length < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
