/** From a name to a model that works: fetched, tried, and shown on a picture. */
import { sizeText } from '../bytes.ts'
import { RmbgError } from '../errors.ts'
import type { FetchableModel } from '../model/shelf/known.ts'
import { type Offer, type offerOf, offers } from '../model/shelf/offers.ts'
import { pullModel } from '../model/shelf/pull.ts'
import { tryModel } from '../model/trial.ts'
import { modelsFolder, type ResolvedSettings } from '../settings/settings.ts'
import { makeSample, type Sample } from './sample.ts'

/** What the cut-outs are for. */
export const uses = ['private', 'commercial'] as const
export type Use = (typeof uses)[number]

export interface SetUpOptions {
  /** A name such as `isnet` or `rmbg-2.0:q4f16`. */
  model: string
  token?: string | undefined
  /** Path of a picture to show the result on. */
  picture?: string | undefined
  signal?: AbortSignal | undefined
  acceptsLicense: (model: FetchableModel, name: string) => Promise<boolean>
  onProgress?: ((received: number, total: number | undefined) => void) | undefined
  /** Told what begins, in a sentence. */
  tell: (message: string) => void
}

export interface SetUp extends Sample {
  /** With its variant, as `--model` takes it. */
  model: string
  /** Of the model. */
  file: string
  license: string
  wasInstalled: boolean
}

/**
 * Installs a model and shows what it does.
 *
 * @throws RmbgError as `pullModel` and `makeSample`; where the model cannot be had from here, with what can be had instead
 */
export async function setUp(settings: ResolvedSettings, options: SetUpOptions): Promise<SetUp> {
  const { model, picture, signal, acceptsLicense, onProgress, tell } = options
  const token = options.token ?? settings.hfToken
  let isFetching = false
  const pulled = await pullModel(model, {
    ...{ modelsFolder: modelsFolder(settings.home), endpoint: settings.hfEndpoint, token },
    ...{ signal, acceptsLicense },
    onProgress: (received, total) => {
      if (!isFetching) tell(`Fetching ${model}${total === undefined ? '' : ` (${sizeText(total)})`}.`)
      isFetching = true
      onProgress?.(received, total)
    },
    tryIt: (spec) => {
      tell('Trying it on three rendered pictures.')
      return tryModel(spec, { modelsFolder: modelsFolder(settings.home) })
    },
  }).catch(async (error) => {
    throw await withWayOut(error, model, { ...offerOptions(settings), signal })
  })
  tell('Cutting a picture out with it.')
  const name = `${pulled.name}:${pulled.variant}`
  const sample = await makeSample(settings, { model: name, picture })
  return {
    ...{ model: name, file: pulled.file, license: pulled.license.name, wasInstalled: pulled.wasInstalled },
    ...sample,
  }
}

export const offerOptions = ({ home, hfEndpoint, hfToken }: ResolvedSettings) => ({
  modelsFolder: modelsFolder(home),
  endpoint: hfEndpoint,
  token: hfToken,
})

/** What may be used for this; the best first. */
export const offersFor = (all: readonly Offer[], use: Use): Offer[] =>
  all.filter(({ model }) => use === 'private' || !model.nonCommercial)

/** Whether a model can be had now, without anything else being done first. */
export const isAtHand = ({ availability: { state } }: Offer): boolean =>
  state === 'installed' || state === 'cached' || state === 'reachable'

/**
 * The best model that can be had now.
 *
 * @throws RmbgError MODEL_DOWNLOAD naming why each of them cannot
 */
export function bestOf(all: readonly Offer[], use: Use): Offer {
  const suitable = offersFor(all, use)
  const best = suitable.find(isAtHand)
  if (best) return best
  const reasons = suitable.map(({ name, availability }) => `${name}: ${reasonOf(availability)}`)
  throw new RmbgError('MODEL_DOWNLOAD', `None of the models can be fetched from here. ${reasons.join(' ')}`, {
    hint: 'Fetch a file elsewhere, and install it with: rmbg model pull NAME --from FILE',
  })
}

/** A sentence. */
export function reasonOf(availability: Offer['availability']): string {
  if (availability.state === 'gated') return availability.error.message
  return availability.state === 'unreachable' ? `${availability.reason}.` : ''
}

/** Says what could be had instead of a model whose source cannot be reached. */
async function withWayOut(
  error: unknown,
  model: string,
  options: Parameters<typeof offerOf>[1],
): Promise<unknown> {
  if (!(error instanceof RmbgError) || error.code !== 'MODEL_DOWNLOAD' || options.signal?.aborted)
    return error
  const others = (await offers(options)).filter((offer) => offer.name !== model.split(':')[0])
  const instead = others.flatMap(({ name, availability }) =>
    availability.state === 'reachable'
      ? `${name} comes from ${availability.from}, which can be reached: rmbg setup --model ${name}`
      : [],
  )
  if (instead.length === 0) return error
  const hint = [error.hint, `${instead.join('. ')}.`].filter(Boolean).join(' ')
  return new RmbgError(error.code, error.message, { hint, cause: error })
}
