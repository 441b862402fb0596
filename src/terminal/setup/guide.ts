/** Leads a person, or a script, to a good model. */
import { sizeText } from '../../bytes.ts'
import { RmbgError } from '../../errors.ts'
import { findFetchable } from '../../model/shelf/known.ts'
import { offerOf, offers } from '../../model/shelf/offers.ts'
import { licenseSentence } from '../../model/shelf/pull.ts'
import type { ResolvedSettings } from '../../settings/settings.ts'
import { bestOf, offerOptions, type SetUp, setUp, type Use } from '../../setup/set-up.ts'
import { byteProgress } from '../progress.ts'
import { askLicense, askOffer, askUse, passGate } from './dialog.ts'

export interface GuideOptions {
  /** What is given is not asked. */
  model?: string | undefined
  use?: Use | undefined
  picture?: string | undefined
  /** The license is accepted, and nothing is asked. */
  yes: boolean
  /** There is a person to ask. */
  interactive: boolean
  signal: AbortSignal
  tell: (message: string) => void
}

/**
 * Finds out which model it shall be, passes what stands before it, and sets it up.
 *
 * @returns undefined when the person keeps the built-in model
 * @throws RmbgError as `setUp`; REFUSED when something has to be asked and nobody is there
 */
export async function guide(settings: ResolvedSettings, options: GuideOptions): Promise<SetUp | undefined> {
  const { picture, yes, interactive, signal, tell } = options
  const chosen = await choose(settings, options)
  if (chosen === undefined) return undefined
  const progress = byteProgress(chosen.model)
  return setUp(settings, {
    ...{ ...chosen, picture, signal },
    onProgress: progress.update,
    tell: (message) => {
      progress.stop()
      tell(message)
    },
    acceptsLicense: async (model, name) => {
      tell(licenseSentence(name, model))
      return yes || (interactive && (await askLicense()))
    },
  }).finally(progress.stop)
}

async function choose(
  settings: ResolvedSettings,
  { model, use, yes, interactive, tell }: GuideOptions,
): Promise<{ model: string; token?: string | undefined } | undefined> {
  if (interactive) {
    // An unknown name is refused later, with those that are known.
    const named = model !== undefined && findFetchable(model)
    if (model !== undefined && !named) return { model }
    const offer = named
      ? await offerOf(model, offerOptions(settings))
      : await askOffer(settings, use ?? (await askUse()))
    if (offer === undefined) return undefined
    const token = await passGate(settings, offer)
    return { model: `${offer.name}:${offer.variant}`, token }
  }
  if (model !== undefined) return { model }
  if (!yes) {
    throw new RmbgError('REFUSED', 'Nothing was done: there is no terminal to ask.', {
      hint: 'Name a model and accept its license: rmbg setup --model isnet --yes. Or let it take the best that can be reached: rmbg setup --use commercial --yes',
    })
  }
  const { name, variant, bytes } = bestOf(await offers(offerOptions(settings)), use ?? 'commercial')
  tell(`${name} is the best that can be had from here (${sizeText(bytes) || 'unknown size'}).`)
  return { model: `${name}:${variant}` }
}
