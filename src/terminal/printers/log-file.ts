/** `--log-file`: every event of a run as a line of NDJSON, for afterwards. */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { RmbgError } from '../../errors.ts'
import type { BatchEvent, ErrorEvent } from '../../process/events.ts'
import { systemPath, typedValue, workingDirectory } from '../../system/file-names.ts'
import { above } from '../live-line.ts'
import { printable } from '../printable.ts'

export interface LogFile {
  write(event: BatchEvent | ErrorEvent): void
}

/** How every line begins; a file that begins otherwise is somebody else's. */
const beginning = '{"time":"'

/**
 * Opens a log to append to. A new one is readable by its owner alone: it names files and people.
 *
 * @throws RmbgError USAGE when it cannot be written, or is no log of ours
 */
export function openLogFile(path: string): LogFile {
  const file = openToAppend(path)
  let isWritable = true
  return {
    write: (event) => {
      if (!isWritable) return
      const line = JSON.stringify({ time: new Date().toISOString(), ...event })
      try {
        writeSync(file, `${printable(line)}\n`)
      } catch (error) {
        isWritable = false
        const message = `The log file ${path} cannot be written any more (${(error as NodeJS.ErrnoException).code}).`
        above(() => process.stderr.write(`${printable(message)}\n`))
      }
    },
  }
}

function openToAppend(path: string): number {
  const place = systemPath(resolve(workingDirectory(), typedValue(path)))
  let file: number
  try {
    file = openSync(place, 'a+', 0o600)
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code
    throw new RmbgError('USAGE', `The log file ${path} cannot be opened (${reason}).`, { cause })
  }
  const stats = fstatSync(file)
  if (!stats.isFile() || stats.size === 0) return file
  if (textAt(file, 0, beginning.length) !== beginning) {
    closeSync(file)
    throw new RmbgError('USAGE', `${path} is there already and is no log of rmbg.`, {
      hint: 'Name another file with --log-file.',
    })
  }
  // A run that was killed may have left half a line.
  if (textAt(file, stats.size - 1, 1) !== '\n') writeSync(file, '\n')
  return file
}

function textAt(file: number, position: number, length: number): string {
  const bytes = Buffer.alloc(length)
  return bytes.toString('latin1', 0, readSync(file, bytes, 0, length, position))
}
