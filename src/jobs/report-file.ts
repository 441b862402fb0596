/** A report in a file. It ends with the digest of all before, so that it is known again, unless somebody changed it. */
import { readFile } from 'node:fs/promises'
import { RmbgError } from '../errors.ts'
import { lookAt, type WriteOptions, writeAtomically } from '../system/files.ts'
import { sha256Of } from '../system/sha256.ts'

/** Far more than a report of 100,000 groups has. */
const maxReportBytes = 256 * 2 ** 20

const seal = /<!-- rmbg report ([0-9a-f]{64}) -->\n$/

export interface ReportFile {
  /** @throws RmbgError OUTPUT_UNWRITABLE; USAGE where something that is no report of ours came in between */
  write(html: string): Promise<void>
}

/**
 * A place for a report: free, or taken by an earlier report that nobody changed.
 *
 * @param path absolute
 * @param options.overwrite replaces whatever file is there
 * @throws RmbgError USAGE where something else is there
 */
export async function reportFile(path: string, { overwrite }: { overwrite: boolean }): Promise<ReportFile> {
  const over = overwrite ? 'anything' : await replaceable(path)
  if (over === undefined) throw inTheWay(path)
  return {
    write: async (html) => {
      const bytes = Buffer.from(`${html}<!-- rmbg report ${sha256Of(html)} -->\n`)
      if (!(await writeAtomically(path, bytes, { what: 'report', over }))) throw inTheWay(path)
    },
  }
}

async function replaceable(path: string): Promise<WriteOptions['over']> {
  const present = await lookAt(path)
  if (present.kind === 'nothing') return 'nothing'
  // A folder cannot be replaced; the writing says so.
  if (present.kind === 'folder') return 'anything'
  if (present.kind !== 'file' || present.version.size > maxReportBytes) return undefined
  const text = await readFile(path, 'utf8').catch(() => '')
  const [line, sha256] = seal.exec(text) ?? []
  if (line === undefined || sha256Of(text.slice(0, -line.length)) !== sha256) return undefined
  return present.version
}

const inTheWay = (path: string): RmbgError =>
  new RmbgError(
    'USAGE',
    `${path} is there already, and it is not a report that rmbg made and nobody changed.`,
    {
      hint: 'Choose another file, or replace that one with --overwrite.',
    },
  )
