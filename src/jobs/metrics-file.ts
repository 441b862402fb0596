/** A file of metrics for the text collector of the node exporter, which may read it at any moment. */
import { readFile } from 'node:fs/promises'
import { RmbgError } from '../errors.ts'
import { lookAt, type WriteOptions, writeAtomically } from '../system/files.ts'

/** Far more than there are metrics. */
const maxBytes = 2 ** 20
/** As this program writes them; empty, as a shell makes one before the program starts. */
const isOurs = (text: string): boolean => text === '' || /^# (HELP|TYPE) rmbg_[\s\S]*# EOF\n$/.test(text)

/**
 * Writes metrics into a file that others see as a whole or not at all. It replaces earlier metrics.
 *
 * @param path absolute
 * @param options.overwrite replaces whatever file is there
 * @throws RmbgError OUTPUT_UNWRITABLE; USAGE where something else is there
 */
export async function writeMetrics(
  path: string,
  text: string,
  { overwrite }: { overwrite: boolean },
): Promise<void> {
  const over = overwrite ? 'anything' : await replaceable(path)
  if (over === undefined) throw inTheWay(path)
  if (await writeAtomically(path, Buffer.from(text), { what: 'file of metrics', over })) return
  // Another `rmbg health` wrote its own at this moment: these are as new.
  if ((await replaceable(path)) === undefined) throw inTheWay(path)
}

async function replaceable(path: string): Promise<WriteOptions['over']> {
  const present = await lookAt(path)
  if (present.kind === 'nothing') return 'nothing'
  // A folder cannot be replaced; the writing says so.
  if (present.kind === 'folder') return 'anything'
  if (present.kind !== 'file' || present.version.size > maxBytes) return undefined
  const text = await readFile(path, 'utf8').catch(() => 'unreadable')
  return isOurs(text) ? present.version : undefined
}

const inTheWay = (path: string): RmbgError =>
  new RmbgError('USAGE', `${path} is there already, and it holds no metrics of rmbg.`, {
    hint: 'Choose another file, or replace that one with --overwrite.',
  })
