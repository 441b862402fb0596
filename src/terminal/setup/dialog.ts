/** The questions of `rmbg setup`. They go to stderr, because stdout is for the result. */
import { confirm, password, select } from '@inquirer/prompts'
import { exit } from '@oclif/core/errors'
import { sizeText } from '../../bytes.ts'
import { type Offer, offerOf, offers } from '../../model/shelf/offers.ts'
import type { ResolvedSettings } from '../../settings/settings.ts'
import { isAtHand, offerOptions, offersFor, reasonOf, type Use } from '../../setup/set-up.ts'
import { exitStatus } from '../exit.ts'
import { printable } from '../printable.ts'
import { wrapFor } from '../wrap.ts'

const screen = { output: process.stderr }
const tell = (message: string) => process.stderr.write(`${wrapFor(process.stderr, printable(message))}\n`)

/**
 * Asks, and ends the program as Ctrl-C does when somebody leaves a question that way.
 *
 * @throws what oclif ends a command with
 */
export async function asking<T>(questions: () => Promise<T>): Promise<T> {
  try {
    return await questions()
  } catch (error) {
    if (error instanceof Error && error.name === 'ExitPromptError') exit(exitStatus.interrupted)
    throw error
  }
}

export const askUse = (): Promise<Use> =>
  select<Use>(
    {
      message: 'What are the cut-outs for?',
      choices: [
        { name: 'private or research', value: 'private' },
        { name: 'commercial', value: 'commercial', description: 'only models whose licenses allow that' },
      ],
    },
    screen,
  )

/** @returns undefined when the person keeps the built-in model */
export async function askOffer(settings: ResolvedSettings, use: Use): Promise<Offer | undefined> {
  tell('Looking what can be reached from here.')
  const suitable = offersFor(await offers(offerOptions(settings)), use)
  const best = suitable.find(isAtHand)
  const choice = await select<Offer | undefined>(
    {
      message: 'Which model?',
      choices: [
        ...suitable.map((offer) => ({
          name: offerText(offer),
          value: offer,
          description: offer.model.summary,
          disabled: offer.availability.state === 'unreachable' && reasonOf(offer.availability),
        })),
        { name: 'none: keep the small built-in one', value: undefined },
      ],
      ...(best && { default: best }),
    },
    screen,
  )
  return choice
}

function offerText({ name, model, bytes, availability }: Offer): string {
  const state = {
    installed: 'installed',
    cached: 'in the cache of Hugging Face on this machine',
    reachable: `${sizeText(bytes) || 'unknown size'} to fetch`,
    gated: 'needs an account at Hugging Face',
    unreachable: 'cannot be reached',
  }[availability.state]
  return `${name}  (${model.license}; ${state})`
}

/** More would only annoy. */
const mostTries = 5

/**
 * Leads through the terms and the token of a gated model, until its server would hand it out.
 *
 * @returns the token to use, if one was typed
 * @throws RmbgError MODEL_GATED when the person gives up
 */
export async function passGate(settings: ResolvedSettings, offer: Offer): Promise<string | undefined> {
  let { availability } = offer
  let token: string | undefined
  for (let tries = 0; availability.state === 'gated'; tries++) {
    const { error } = availability
    tell(`${error.message} ${error.hint ?? ''}`)
    if (tries === mostTries) throw error
    await offerPage(offer.model.page)
    const typed = await password(
      { message: 'Token of that account (empty: the one from before; Ctrl-C leaves):', mask: '*' },
      screen,
    )
    token = typed.trim() || token
    const options = { ...offerOptions(settings), ...(token !== undefined && { token }) }
    availability = (await offerOf(`${offer.name}:${offer.variant}`, options)).availability
  }
  if (token !== undefined)
    tell('The token is used now and kept nowhere. To have it the next time, set HF_TOKEN.')
  return token
}

async function offerPage(page: string): Promise<void> {
  tell(`The terms: ${page}`)
  if (!(await confirm({ message: 'Open that page in the browser?', default: true }, screen))) return
  const { default: open } = await import('open')
  const browser = await open(page).catch(() => undefined)
  // It may fail later, and is no reason to end.
  browser?.on('error', () => tell('No browser could be started: please open the address yourself.'))
}

export const askLicense = (): Promise<boolean> =>
  confirm({ message: 'Do you accept that?', default: false }, screen)

export const askToSetUp = (): Promise<boolean> =>
  confirm(
    { message: 'Only the small built-in model is installed. Set up a better one now?', default: true },
    screen,
  )
