import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import envPaths from 'env-paths'
import type { z } from 'zod'
import { RmbgError, unexpected } from '../errors.ts'
import { userName } from '../system/user.ts'
import { embeddedDatabase, placeVariable, urlOfVariables } from './database-place.ts'
import {
  type Defaulted,
  type GivenSettings,
  type ResolvedSettings,
  type SettingName,
  settings,
} from './definitions.ts'
import { assertEndpointHoldsNoBucket } from './endpoint.ts'
import { assertProjectMaySet } from './project-file.ts'
import { assertPrivate, userFile as defaultUserFile } from './user-file.ts'

export { environmentVariable, type ResolvedSettings, type SettingName } from './definitions.ts'

/** A setting with where its value was found. */
export interface TracedSetting {
  name: SettingName
  /** Absent when nobody gave one and there is no default. */
  value?: unknown
  source: 'flag' | 'environment' | 'file' | 'default' | 'none'
  /** The flag, variable or file. */
  from?: string
}

/**
 * Resolves every setting: flag, then environment, then `rmbg.config.json` or the `rmbg` key of
 * package.json in the working directory, then the user's own configuration file, then the default. The database is
 * also named by libpq's variables (PGHOST and so on), after those files.
 *
 * @throws RmbgError USAGE naming the flag, or CONFIG_INVALID naming the variable or key, and what it expects
 */
export async function resolveSettings(
  flags: Record<string, unknown>,
  env?: NodeJS.ProcessEnv,
  cwd?: string,
  userFile?: string,
): Promise<ResolvedSettings> {
  const traced = await traceSettings(flags, env, cwd, userFile)
  return Object.fromEntries(
    traced.flatMap(({ name, value }) =>
      value === undefined || isEmbedded(name, value) ? [] : [[name, value]],
    ),
  ) as unknown as ResolvedSettings
}

const isEmbedded = (name: SettingName, value: unknown): boolean =>
  name === 'databaseUrl' && value === embeddedDatabase

/** Every setting as `resolveSettings` resolves it, with where its value was found; what it throws, too. */
export async function traceSettings(
  flags: Record<string, unknown>,
  env: NodeJS.ProcessEnv = process.env,
  cwd: string = process.cwd(),
  userFile: string = defaultUserFile(),
): Promise<TracedSetting[]> {
  const project = await readProjectFile(cwd)
  for (const [name, value] of Object.entries(project.values))
    await assertProjectMaySet(name as SettingName, value, { ...project, cwd, userFile })
  const own = await readUserFile(userFile)
  const fallback: Partial<Record<SettingName, unknown>> = defaults(env)
  const traced = (Object.keys(settings) as SettingName[]).map((name): TracedSetting => {
    const found = candidates(name, flags, env, [project, own]).find(({ value }) => value !== undefined)
    if (found) return { name, ...found, value: parsed(name, found) }
    const variable = name === 'databaseUrl' ? placeVariable(env) : undefined
    if (variable !== undefined) return { name, value: urlOfVariables, source: 'environment', from: variable }
    const value = fallback[name]
    return value === undefined ? { name, source: 'none' } : { name, value, source: 'default' }
  })
  const given = Object.fromEntries(traced.map(({ name, value }) => [name, value])) as GivenSettings
  const endpoint = traced.find(({ name }) => name === 's3Endpoint')?.from
  if (endpoint !== undefined) assertEndpointHoldsNoBucket(given, endpoint)
  return traced
}

type Candidate = Required<Pick<TracedSetting, 'source' | 'from'>> & { value: unknown }

/** Where a value of the setting may be, the first one counting. */
function candidates(
  name: SettingName,
  flags: Record<string, unknown>,
  env: NodeJS.ProcessEnv,
  files: readonly SettingsFile[],
): Candidate[] {
  const kebab = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  return [
    { source: 'flag', from: `--${kebab}`, value: flags[kebab] },
    ...variablesOf(name, env).map(
      (variable): Candidate => ({ source: 'environment', from: variable, value: env[variable] || undefined }),
    ),
    ...files.map(({ file, values }): Candidate => ({ source: 'file', from: file, value: values[name] })),
  ]
}

function variablesOf(name: SettingName, env: NodeJS.ProcessEnv): string[] {
  const definition: { env: string; otherEnv?: readonly string[] } = settings[name]
  // What the AWS SDK makes of this variable.
  const areIgnored = env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS?.toLowerCase() === 'true'
  return [definition.env, ...(areIgnored ? [] : (definition.otherEnv ?? []))]
}

function parsed(name: SettingName, { source, from, value }: Candidate): unknown {
  const result = settings[name].schema.safeParse(value)
  if (result.success) return result.data
  throw unusable(source === 'file' ? `"${name}" in ${from}` : from, value, result.error)
}

/** What a usual photograph takes in the pipeline, in bytes. */
const usualImageBytes = 2 ** 28

function defaults(env: NodeJS.ProcessEnv): Pick<ResolvedSettings, Defaulted> {
  const maxMemory = Math.floor(process.availableMemory() / 2)
  return {
    home: envPaths('rmbg', { suffix: '' }).data,
    patience: 120,
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
    user: userName(env).slice(0, 64),
    keep: ['original', 'mask', 'processed'],
    originals: 'reference',
    ignore: [],
    tag: [],
  }
}

interface SettingsFile {
  /** For people. */
  file: string
  values: Record<string, unknown>
}

async function readProjectFile(cwd: string): Promise<SettingsFile> {
  const own = 'rmbg.config.json'
  const ownValues = await readJson(join(cwd, own), own)
  if (ownValues !== undefined) return checked(own, ownValues)
  const packageJson = (await readJson(join(cwd, 'package.json'), 'package.json')) as { rmbg?: unknown }
  return checked('the rmbg key of package.json', packageJson?.rmbg ?? {})
}

async function readUserFile(file: string): Promise<SettingsFile> {
  await assertPrivate(file)
  return checked(file, (await readJson(file, file)) ?? {})
}

function checked(file: string, values: unknown): SettingsFile {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new RmbgError('CONFIG_INVALID', `${file} must hold a JSON object.`)
  }
  const unknown = Object.keys(values).find((key) => !Object.hasOwn(settings, key))
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

function unusable(label: string, value: unknown, error: z.ZodError): RmbgError {
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
/** The folder of what `rmbg health` counted last, below RMBG_HOME: a small file for each server database. */
/** What can be made again. */
export const cacheFolder = (home: string): string => resolve(home, 'cache')

export const healthFolder = (home: string): string => resolve(home, 'health')
