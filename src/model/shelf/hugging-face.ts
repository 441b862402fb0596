/** What Hugging Face says, and what its own tools have left on this machine: a login, and files fetched before. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Headers } from 'undici'
import { RmbgError } from '../../errors.ts'
import { askForHead, refusalOf, type Unreachable } from './head.ts'
import { type HuggingFaceSource, urlOf } from './sources.ts'

/** Where its tools keep what they keep; the variables are theirs. */
const cacheHome = (env: NodeJS.ProcessEnv): string =>
  env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface')

/** The token of `hf auth login` (or `huggingface-cli login`); undefined where nobody has logged in. */
export async function loginToken(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const file = env.HF_TOKEN_PATH || join(cacheHome(env), 'token')
  const token = (await readFile(file, 'utf8').catch(() => '')).trim()
  return /^[\x21-\x7e]+$/.test(token) ? token : undefined
}

/**
 * Finds a file that its tools have fetched before. Large files are stored by their SHA-256, others are found by their name.
 *
 * @param sha256 hex, where it is known
 * @returns a path, whose content has still to be compared
 */
export async function cachedCopy(
  { repository, path }: HuggingFaceSource,
  sha256: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  const hub = env.HF_HUB_CACHE || join(cacheHome(env), 'hub')
  const folder = join(hub, `models--${repository.replaceAll('/', '--')}`)
  if (sha256 !== undefined) {
    const blob = join(folder, 'blobs', sha256)
    if (await isFile(blob)) return blob
  }
  for (const revision of await readdir(join(folder, 'snapshots')).catch(() => [])) {
    const file = join(folder, 'snapshots', revision, path)
    if (await isFile(file)) return file
  }
  return undefined
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  )

/** Why a server does not hand out a file, with its own sentence where it says one. */
export interface GateProblem {
  problem: 'no-token' | 'bad-token' | 'terms-not-accepted'
  said?: string
}

/** @param status 401 or 403 */
export function gateProblem(status: number, headers: Headers, hasToken: boolean): GateProblem {
  const said = printableLine(headers.get('x-error-message') ?? '')
  const isGated = headers.get('x-error-code') === 'GatedRepo'
  const problem = !hasToken ? 'no-token' : isGated && status === 403 ? 'terms-not-accepted' : 'bad-token'
  return { problem, ...(said !== '' && { said }) }
}

/** One line of a header that a server may fill with anything. */
const printableLine = (text: string): string =>
  text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, 300)

/** Where an account's tokens are made. */
const tokenPage = 'https://huggingface.co/settings/tokens'

export function gateError(
  { problem, said }: GateProblem,
  { host, status, termsPage }: { host: string; status: number; termsPage: string },
): RmbgError {
  const reason = said === undefined ? `HTTP ${status}` : `HTTP ${status}: ${said.replace(/\.$/, '')}`
  const [message, hint] = {
    'no-token': [
      `${host} gives this file only to those who accepted its terms (${reason}).`,
      `Accept the terms at ${termsPage}, make a token at ${tokenPage}, and set HF_TOKEN to it.`,
    ],
    'terms-not-accepted': [
      `The token is good, but its account has not accepted the terms of this model (${reason}).`,
      `Accept them at ${termsPage} with the same account, and run this again.`,
    ],
    'bad-token': [
      `${host} refuses the token (${reason}).`,
      `It may be mistyped, expired or without the right to read gated models. Make another at ${tokenPage} and set HF_TOKEN to it. The terms are at ${termsPage}.`,
    ],
  }[problem] as [string, string]
  return new RmbgError('MODEL_GATED', message, { hint })
}

/**
 * Asks whether a file would be handed out, before a gigabyte is fetched.
 *
 * @returns undefined when it would
 */
export async function gateOf(
  source: HuggingFaceSource,
  options: {
    endpoint: string
    token?: string | undefined
    termsPage: string
    signal?: AbortSignal | undefined
  },
): Promise<RmbgError | Unreachable | undefined> {
  const { endpoint, token, termsPage } = options
  const url = urlOf(source, endpoint)
  const answer = await askForHead(url, options)
  if ('reason' in answer) return answer
  const { status, headers } = answer
  if (status === 401 || status === 403) {
    const problem = gateProblem(status, headers, token !== undefined)
    return gateError(problem, { host: new URL(url).host, status, termsPage })
  }
  return refusalOf(url, status)
}
