/** The program as a library: one open model, asked for as many cut-outs as somebody wants. */
import { Semaphore } from 'async-mutex'
import { type Context, openContext } from '../context.ts'
import type { ImageHeader } from '../cutout/codec/header.ts'
import { assertWithinBudget, estimateBytes, mebibytes } from '../cutout/memory.ts'
import type { Review } from '../cutout/pixels/review.ts'
import type { RuleViolation } from '../cutout/rules.ts'
import { type MatteModel, modelName } from '../model/contract.ts'
import type { SummaryEvent } from '../process/events.ts'
import { recipeOf } from '../settings/presets.ts'
import { type ResolvedSettings, resolveSettings } from '../settings/settings.ts'
import type { CutoutOptions, ProcessOptions, RemoveBackgroundOptions, RmbgOptions } from './options.ts'
import { bytesOf, type Picture } from './picture.ts'
import { processAsAsked } from './process.ts'

export interface RemovedBackground {
  /** The file of the cut-out. */
  cutout: Uint8Array
  /** Such as `image/png`, of the cut-out. */
  contentType: string
  /** Of the cut-out, in pixels. */
  width: number
  height: number
  /** A gray PNG, as large as the picture: 255 is subject. */
  mask: Uint8Array
  /** Figures about the mask; `reasons` is empty when nothing is suspicious. */
  review: Review
  /** Why a catalogue would refuse the cut-out; absent without a preset. */
  violations?: RuleViolation[]
  /** The model that was asked, and what it ran on. */
  model: string
  provider: string
}

export interface Rmbg {
  /**
   * Cuts one picture out. Nothing is stored and nothing is logged. Call it as often at once as you like: pictures wait
   * until the memory of their turn is free.
   *
   * @throws RmbgError of family `image`, or USAGE for options that are not usable; the signal's reason
   */
  removeBackground(picture: Picture, options?: RemoveBackgroundOptions): Promise<RemovedBackground>
  /**
   * Does what `rmbg process` does: three objects for each picture in the store, and a row in the database. Pictures that
   * are done already are skipped. One that fails stops nothing: `failures` of the summary names it.
   *
   * @param inputs globs, files and folders; also `https://…` and `s3://…`
   * @throws RmbgError what would have failed every other picture as well
   */
  process(inputs: string | readonly string[], options?: ProcessOptions): Promise<SummaryEvent>
  /** Waits for what is in work, and lets go of model, database and threads. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens a model, to be closed again. What is not given comes from the environment and the configuration files, as for
 * the command. The database is opened by the first `process`.
 *
 * @throws RmbgError of family `model`; CONFIG_INVALID or USAGE for options that are not usable
 */
export async function openRmbg(options: RmbgOptions = {}): Promise<Rmbg> {
  const { onNotice, ...given } = options
  const settings = await resolveSettings(flagsOf(given))
  const context = openContext(settings, { tell: ({ message }) => onNotice?.(message) })
  try {
    const model = await context.model()
    for (const notice of [model.spec.notice, model.notice]) if (notice !== undefined) onNotice?.(notice)
    return rmbgOf({ given, settings, context, model })
  } catch (error) {
    await context.close()
    throw error
  }
}

interface Opened {
  given: CutoutOptions
  settings: ResolvedSettings
  context: Context
  model: MatteModel
}

function rmbgOf(opened: Opened): Rmbg {
  const { settings, context, given } = opened
  const memory = new Semaphore(mebibytes(settings.maxMemory))
  const inWork = new Set<Promise<unknown>>()
  /** Of all that are open: pixel threads are the process's own. */
  openCount++
  const work = <T>(task: () => Promise<T>): Promise<T> => {
    if (closing) return Promise.reject(new Error('This rmbg is closed.'))
    const running = task()
    inWork.add(running)
    const done = () => inWork.delete(running)
    running.then(done, done)
    return running
  }
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= (async () => {
      await Promise.allSettled(inWork)
      openCount--
      if (openCount === 0) await (await import('../cutout/pool.ts')).closePixelThreads()
      await context.close()
    })()
    return closing
  }
  return {
    removeBackground: (picture, options = {}) =>
      work(() => removeBackground(opened, memory, picture, options)),
    process: (inputs, options = {}) =>
      work(() =>
        processAsAsked([inputs].flat(), { context, flags: flagsOf({ ...given, ...options }), options }),
      ),
    close,
    [Symbol.asyncDispose]: close,
  }
}

let openCount = 0

async function removeBackground(
  { settings, model }: Opened,
  memory: Semaphore,
  picture: Picture,
  { signal, ...options }: RemoveBackgroundOptions,
): Promise<RemovedBackground> {
  signal?.throwIfAborted()
  const { cutout } = await recipeOf({ ...options }, settings)
  const [{ readHeader }, { workingDepth }, { cutOutInThread }] = await Promise.all([
    import('../cutout/codec/header.ts'),
    import('../cutout/codec/encode.ts'),
    import('../cutout/pool.ts'),
  ])
  const bytes = await bytesOf(picture)
  const { maxPixels, maxMemory, allowSvg = false } = settings
  const header: ImageHeader = await readHeader(bytes, { maxPixels, allowSvg })
  const recipe = { ...cutout, depth: workingDepth(header.bitDepth, cutout) }
  const bytesNeeded = estimateBytes(header, bytes.byteLength, recipe)
  assertWithinBudget(bytesNeeded, maxMemory)
  const made = memory.runExclusive(() => {
    signal?.throwIfAborted()
    return cutOutInThread(bytes, model, recipe, header.metadata)
  }, mebibytes(bytesNeeded))
  const { processed, mask, review, violations } = await unlessAborted(made, signal)
  return {
    cutout: processed.bytes,
    contentType: processed.contentType,
    width: processed.width,
    height: processed.height,
    mask: mask.bytes,
    review,
    ...(violations && { violations }),
    model: modelName(model.spec),
    provider: model.provider,
  }
}

async function unlessAborted<T>(made: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return made
  const settled = new AbortController()
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: settled.signal })
  })
  try {
    return await Promise.race([made, aborted])
  } finally {
    settled.abort()
  }
}

/** Options by the names of their flags. */
function flagsOf(options: object): Record<string, unknown> {
  const renamed: Record<string, string> = { tags: 'tag' }
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      (renamed[name] ?? name).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      value,
    ]),
  )
}
