/**
 * Graphs that ONNX Runtime has optimized and saved, in `.prepared` of the models folder. From such a file it starts in a
 * fraction of the time, and maps the weights instead of holding them: they are shared among processes, and neither the
 * original weights nor what the optimizer left stays in memory.
 *
 * A folder for each model, `<SHA-256 of the model>`, holds a record for each runtime, processor and output, and graphs under
 * their own digests. Nothing here is needed: what is missing, damaged or of another machine is made again.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { flush, isTemporaryName, removeLeftovers, temporaryIn, writeAtomically } from '../../system/files.ts'
import { sha256Of, sha256OfFile } from '../../system/sha256.ts'
import { processorOf } from '../processor.ts'
import { runtimeVersion } from '../runtime/packages.ts'
import type { ValueMetadata } from '../signature.ts'

/** Goes up when graphs are made in another way, so that those of earlier releases no longer count. */
const preparedVersion = 1

/** What nobody has used for so long may go. */
const unusedMs = 30 * 24 * 60 * 60 * 1000

/** What a graph follows from. */
export interface PreparedKey {
  /** Hex SHA-256 of the model. */
  sha256: string
  /** Name of its only output; undefined: the first of the model. */
  output: string | undefined
  /** See `SessionTuning`. */
  blockedLayout: boolean
}

/** What the model takes and gives, as its own file says: the prepared graph may know shapes that the file leaves open. */
export interface ModelMetadata {
  inputs: ValueMetadata[]
  outputs: ValueMetadata[]
}

export interface PreparedGraph {
  /** Absolute path. */
  file: string
  metadata: ModelMetadata
}

/** Or it is noted that no graph can be made of this model, so that nobody tries at each start. */
type Kept = { graph: string; metadata: ModelMetadata } | { unusable: string }

export interface PreparedShelf {
  /** Undefined where there is none that can be trusted; `unusable` where none can be made. */
  find(): Promise<PreparedGraph | 'unusable' | undefined>
  /** Path of a file in the same folder, which is there now. */
  temporary(): Promise<string>
  /** Gives a finished graph its name. */
  keep(temporary: string, metadata: ModelMetadata): Promise<PreparedGraph>
  /** Notes that there will be none. */
  giveUp(reason: string): Promise<void>
  /** Removes it. */
  discard(): Promise<void>
}

/** @param modelsFolder where models are installed; nothing is made there yet */
export function preparedShelf(modelsFolder: string, key: PreparedKey): PreparedShelf {
  const folder = folderOf(modelsFolder, key.sha256)
  const parts = { preparedVersion, runtimeVersion, processor: processorOf(), ...key }
  const record = join(folder, `${sha256Of(JSON.stringify(parts))}.json`)
  const write = async (kept: Kept): Promise<void> => {
    const mode = await modeOf(modelsFolder)
    await mkdir(folder, { recursive: true, mode })
    await writeAtomically(record, Buffer.from(`${JSON.stringify(kept)}\n`), { mode: fileMode(mode) })
  }
  return {
    find: async () => {
      const kept = await readKept(record)
      if (!kept || 'unusable' in kept) return kept && 'unusable'
      const file = join(folder, kept.graph)
      const sha256 = await sha256OfFile(file).catch(() => undefined)
      if (`${sha256}.ort` !== kept.graph) return undefined
      await touch(record, file)
      return { file, metadata: kept.metadata }
    },
    temporary: async () => {
      await mkdir(folder, { recursive: true, mode: await modeOf(modelsFolder) })
      return temporaryIn(folder)
    },
    keep: async (temporary, metadata) => {
      const graph = `${await sha256OfFile(temporary)}.ort`
      await bringToDisk(temporary, fileMode(await modeOf(modelsFolder)))
      await rename(temporary, join(folder, graph))
      await write({ graph, metadata })
      await tidy(folder)
      return { file: join(folder, graph), metadata }
    },
    giveUp: (reason) => write({ unusable: reason }),
    discard: async () => {
      const kept = await readKept(record)
      await rm(record, { force: true })
      if (!kept || !('graph' in kept) || (await isNamed(folder, kept.graph))) return
      await rm(join(folder, kept.graph), { force: true }).catch(() => {})
    },
  }
}

/** Removes what was prepared of a model. */
export const forgetPrepared = (modelsFolder: string, sha256: string): Promise<void> =>
  rm(folderOf(modelsFolder, sha256), { recursive: true, force: true })

const folderOf = (modelsFolder: string, sha256: string): string => join(modelsFolder, '.prepared', sha256)

/** As open as the models are. A folder that is made for this is as private as the home. */
const modeOf = async (modelsFolder: string): Promise<number> =>
  ((await stat(modelsFolder).catch(() => undefined))?.mode ?? 0o700) & 0o777

const fileMode = (folderMode: number): number => folderMode & 0o666

/** Both layouts of a small model may be the same bytes, and so the same graph. */
async function isNamed(folder: string, graph: string): Promise<boolean> {
  const records = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'))
  const kept = await Promise.all(records.map((name) => readKept(join(folder, name))))
  return kept.some((each) => each !== undefined && 'graph' in each && each.graph === graph)
}

async function readKept(record: string): Promise<Kept | undefined> {
  try {
    const kept = JSON.parse(await readFile(record, 'utf8')) as Kept
    return 'unusable' in kept || /^[0-9a-f]{64}\.ort$/.test(kept.graph) ? kept : undefined
  } catch {
    return undefined
  }
}

/** @param mode more than the umask gave is not given */
async function bringToDisk(file: string, mode: number): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    await handle.chmod((await handle.stat()).mode & mode)
    await flush(handle)
  } finally {
    await handle.close()
  }
}

/** A file system may be read-only, or keep no times. */
async function touch(...files: string[]): Promise<void> {
  const now = new Date()
  await Promise.all(files.map((file) => utimes(file, now, now).catch(() => {})))
}

/** Removes what has not been used for a month: graphs of a runtime or a processor that is no longer there. */
async function tidy(folder: string): Promise<void> {
  await removeLeftovers(folder, isTemporaryName).catch(() => {})
  for (const name of await readdir(folder).catch(() => [])) {
    const file = join(folder, name)
    const found = await stat(file).catch(() => undefined)
    if (found && Date.now() - found.mtimeMs > unusedMs) await rm(file, { force: true }).catch(() => {})
  }
}
