import { readFile } from 'node:fs/promises'
import { availableParallelism, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import envPaths from 'env-paths'
import type { z } from 'zod'
import { RmbgError, unexpected } from '../errors.ts'
import { type Defaulted, type ResolvedSettings, settings } from './definitions.ts'

export { environmentVariable, type ResolvedSettings } from './definitions.ts'

/**
 * Resolves every setting: flag, then environment, then `rmbg.config.json` or the `rmbg` key of
 * package.json in the working directory, then the default.
 *
 * @throws RmbgError USAGE naming the flag, or CONFIG_INVALID naming the variable or key, and what it expects
 */
export async function resolveSettings(
  flags: Record<string, unknown>,
  env: NodeJS.ProcessEnv = process.env,
  cwd: string = process.cwd(),
): Promise<ResolvedSettings> {
  const config = await readConfig(cwd)
  const given: Record<string, unknown> = {}
  for (const [name, { env: variable, schema }] of Object.entries(settings)) {
    const kebab = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    const sources: [label: string, value: unknown][] = [
      [`--${kebab}`, flags[kebab]],
      [variable, env[variable] || undefined],
      [`"${name}" in ${config.file}`, config.values[name]],
    ]
    const source = sources.find(([, value]) => value !== undefined)
    if (!source) continue
    const parsed = schema.safeParse(source[1])
    if (!parsed.success) throw unusable(source, parsed.error)
    given[name] = parsed.data
  }
  return { ...defaults(), ...given } as ResolvedSettings
}

/** What a usual photograph takes in the pipeline, in bytes. */
const usualImageBytes = 2 ** 28

function defaults(): Pick<ResolvedSettings, Defaulted> {
  const maxMemory = Math.floor(process.availableMemory() / 2)
  return {
    home: envPaths('rmbg', { suffix: '' }).data,
    cacheTtl: 60,
    model: 'auto',
    hfEndpoint: 'https://huggingface.co',
    // One image in inference, the others being read, decoded, encoded and stored around it.
    concurrency: Math.max(
      1,
      Math.min(availableParallelism() + 1, 32, Math.floor(maxMemory / usualImageBytes)),
    ),
    maxMemory,
    maxPixels: 256_000_000,
    user: userInfo().username.slice(0, 64),
    ignore: [],
    tag: [],
  }
}

async function readConfig(cwd: string): Promise<{ file: string; values: Record<string, unknown> }> {
  const own = 'rmbg.config.json'
  const ownValues = await readJson(join(cwd, own), own)
  const file = ownValues === undefined ? 'the rmbg key of package.json' : own
  const values =
    ownValues ??
    ((await readJson(join(cwd, 'package.json'), 'package.json')) as { rmbg?: unknown })?.rmbg ??
    {}
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new RmbgError('CONFIG_INVALID', `${file} must hold a JSON object.`)
  }
  const unknown = Object.keys(values).find((key) => !(key in settings))
  if (unknown !== undefined) {
    throw new RmbgError('CONFIG_INVALID', `${file} has an unknown key "${unknown}".`, {
      hint: `Known keys: ${Object.keys(settings).join(', ')}.`,
    })
  }
  return { file, values: values as Record<string, unknown> }
}

async function readJson(path: string, shown: string): Promise<unknown> {
  let content: string
  try {
    content = await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new RmbgError(
      'CONFIG_INVALID',
      `${shown} cannot be read (${(cause as NodeJS.ErrnoException).code}).`,
      { cause },
    )
  }
  try {
    return JSON.parse(content)
  } catch (cause) {
    throw new RmbgError('CONFIG_INVALID', `${shown} is not valid JSON.`, { cause })
  }
}

function unusable([label, value]: [label: string, value: unknown], error: z.ZodError): RmbgError {
  const message = error.issues[0]?.message ?? 'expected another value'
  const [, expected] = /expected (.*)$/.exec(message) ?? []
  if (label.startsWith('--') && expected !== undefined) return unexpected(label, expected, String(value))
  // A value of the environment or of a file is not shown: it may be a URL with a password.
  return new RmbgError('CONFIG_INVALID', `${label} is not usable: ${message}.`)
}

/** The folder of the embedded database below RMBG_HOME. */
export const databaseFolder = (home: string): string => resolve(home, 'database')
/** The folder of the directory store below RMBG_HOME. */
export const storeFolder = (home: string): string => resolve(home, 'store')
/** The folder of installed models below RMBG_HOME. */
export const modelsFolder = (home: string): string => resolve(home, 'models')
