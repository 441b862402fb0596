/** Shows what a model does: one picture goes the whole way from its file to the file of its cut-out. */
import { readFile } from 'node:fs/promises'
import { join, parse, resolve } from 'node:path'
import { openContext } from '../context.ts'
import { cutOut } from '../cutout/cutout.ts'
import { pictureFile } from '../cutout/picture-file.ts'
import { RmbgError } from '../errors.ts'
import { renderTrialPicture } from '../model/trial-pictures.ts'
import { resolveCutout } from '../settings/cutout-settings.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import { writeAtomically } from '../system/files.ts'

export interface Sample {
  /** Absolute paths of the picture and of its cut-out. */
  picture: string
  cutout: string
  /** What the model ran on. */
  provider: string
  /** For this picture, with the model loaded: decoding, inference, compositing and encoding. */
  secondsPerImage: number
}

/** The rendered one. */
const renderedName = 'portrait'
/** Seconds. */
const showsBelow = 3
const renderedSize = { width: 1200, height: 1200 }

/**
 * Cuts a picture out with one model. Neither store nor database is touched.
 *
 * @param settings `home` is where both files go, in the folder `setup`
 * @param options.picture path of a picture to take; without it, one is rendered
 * @throws RmbgError INPUT_NOT_FOUND, or what the model or the picture throws
 */
export async function makeSample(
  settings: ResolvedSettings,
  { model: name, picture: given }: { model: string; picture?: string | undefined },
): Promise<Sample> {
  const folder = join(settings.home, 'setup')
  const picture = given === undefined ? resolve(folder, `${renderedName}.png`) : resolve(given)
  const file = await (given === undefined ? render() : read(picture))
  const context = openContext({ ...settings, model: name })
  try {
    const model = await context.model()
    const { options } = await resolveCutout({})
    const recipe = { ...options, depth: 8 as const, rules: undefined }
    const first = await timed(() => cutOut(file, model, recipe))
    // The first one of a session takes longer: memory is set aside. Where that would not show, it is the only one.
    const { seconds, value } =
      first.seconds < showsBelow ? await timed(() => cutOut(file, model, recipe)) : first
    const { processed } = value
    const cutout = resolve(folder, `${parse(picture).name}-${name.replace(':', '-')}.png`)
    if (given === undefined) await writeAtomically(picture, file, { what: 'sample' })
    await writeAtomically(cutout, processed.bytes, { what: 'cut-out' })
    return { picture, cutout, provider: model.provider, secondsPerImage: seconds }
  } finally {
    await context.close()
  }
}

async function timed<T>(work: () => Promise<T>): Promise<{ seconds: number; value: T }> {
  const startedAt = performance.now()
  const value = await work()
  return { seconds: Math.round((performance.now() - startedAt) / 10) / 100, value }
}

const render = async (): Promise<Uint8Array> =>
  pictureFile(renderTrialPicture(renderedName, renderedSize).rgb, renderedSize)

async function read(path: string): Promise<Uint8Array> {
  return readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new RmbgError(
      cause.code === 'ENOENT' ? 'INPUT_NOT_FOUND' : 'INPUT_UNREADABLE',
      `The picture ${path} cannot be read (${cause.code}).`,
      { cause },
    )
  })
}
