import { rm, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ModelSpec } from '../contract.ts'
import { externalData } from '../shelf/external-data.ts'
import { readSignature, type ValueMetadata } from '../signature.ts'
import { copyWithOneOutput } from './one-output.ts'
import type { ModelMetadata, PreparedShelf } from './shelf.ts'

/** What is needed of a session of ONNX Runtime. */
export interface PreparableSession {
  readonly inputMetadata: readonly ValueMetadata[]
  readonly outputMetadata: readonly ValueMetadata[]
  release(): Promise<void>
}

/**
 * How a file is opened: `saveTo` has its optimized graph saved on the way, `mapped` takes such a graph, `unoptimized` is the
 * quickest to see what a model takes and gives.
 */
export type Way = 'optimized' | 'unoptimized' | 'mapped' | { saveTo: string }

export interface Opened<Session> {
  session: Session
  metadata: ModelMetadata
}

/** A saved graph is one flatbuffer, of 2 GiB at most, and half floats are saved as floats. */
const mostBytes = 900 * 2 ** 20
/** Of the size of the model: its copy with one output, and its graph, with half floats as floats. */
const spaceNeeded = 3
/** From here on, what is saved by mapping the weights is worth another start. */
const reopenedFrom = 4 * 2 ** 20

/**
 * Opens a model on the CPU: from its prepared graph; where there is none, from its own file, and a graph is prepared for the next
 * time. That it cannot be prepared, or kept, is no error.
 *
 * @param open with ONNX Runtime
 * @throws what `open` throws for the model's own file
 */
export async function openPrepared<Session extends PreparableSession>(
  spec: Pick<ModelSpec, 'file' | 'output' | 'outputChannel' | 'inputSize'>,
  shelf: PreparedShelf,
  open: (file: string, way: Way) => Promise<Session>,
): Promise<Opened<Session>> {
  const found = await shelf.find()
  if (found && found !== 'unusable') {
    const session = await open(found.file, 'mapped').catch(() => undefined)
    if (session) return { session, metadata: found.metadata }
  }
  if (found === 'unusable') return openPlain(spec, open)
  try {
    const prepared = await prepare(spec, shelf, open)
    if (prepared) return prepared
    return await openPlain(spec, open)
  } catch (cause) {
    const plain = await openPlain(spec, open)
    await shelf.giveUp((cause as Error).message).catch(() => {})
    return plain
  }
}

async function openPlain<Session extends PreparableSession>(
  { file }: Pick<ModelSpec, 'file'>,
  open: (file: string, way: Way) => Promise<Session>,
): Promise<Opened<Session>> {
  const session = await open(file, 'optimized')
  return { session, metadata: metadataOf(session) }
}

const metadataOf = ({ inputMetadata, outputMetadata }: PreparableSession): ModelMetadata => ({
  inputs: [...inputMetadata],
  outputs: [...outputMetadata],
})

/**
 * @returns undefined where there is no place for a graph
 * @throws what `open` throws, and RangeError where the file cannot be read
 */
async function prepare<Session extends PreparableSession>(
  spec: Parameters<typeof openPrepared>[0],
  shelf: PreparedShelf,
  open: (file: string, way: Way) => Promise<Session>,
): Promise<Opened<Session> | undefined> {
  const { size } = await stat(spec.file)
  if (size > mostBytes) throw new RangeError('The model is too large')
  if ((await externalData(spec.file)).length > 0) throw new RangeError('It keeps weights in other files')
  const graph = await shelf.temporary().catch(() => undefined)
  if (graph === undefined || (await freeBytes(dirname(graph))) < size * spaceNeeded) return undefined
  const reduced = `${graph}.onnx`
  let opened: Session | undefined
  try {
    const isReduced = await copyWithOneOutput(spec.file, spec.output, reduced)
    const ofModel = isReduced ? await lookAt(spec, open) : undefined
    opened = await open(isReduced ? reduced : spec.file, { saveTo: graph })
    const metadata = ofModel ?? metadataOf(opened)
    const kept = await shelf.keep(graph, metadata)
    if (size < reopenedFrom) return { session: opened, metadata }
    await opened.release()
    return { session: await open(kept.file, 'mapped'), metadata }
  } catch (error) {
    await opened?.release().catch(() => {})
    throw error
  } finally {
    await Promise.all([graph, reduced].map((file) => rm(file, { force: true }).catch(() => {})))
  }
}

/**
 * What a model takes and gives, while it still has all its outputs: an error names them.
 *
 * @throws RmbgError MODEL_INVALID
 */
async function lookAt<Session extends PreparableSession>(
  spec: Parameters<typeof openPrepared>[0],
  open: (file: string, way: Way) => Promise<Session>,
): Promise<ModelMetadata> {
  const session = await open(spec.file, 'unoptimized')
  const metadata = metadataOf(session)
  await session.release()
  readSignature(spec, metadata.inputs, metadata.outputs)
  return metadata
}

/** Of the disk that a folder is on; infinite where that cannot be told. */
async function freeBytes(folder: string): Promise<number> {
  const found = await statfs(folder).catch(() => undefined)
  return found ? found.bavail * found.bsize : Number.POSITIVE_INFINITY
}
