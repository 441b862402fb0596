import { readFile } from 'node:fs/promises'
import { availableParallelism, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import envPaths from 'env-paths'
import { z } from 'zod'
import { RmbgError } from '../errors.ts'
import { devices as deviceNames } from '../model/contract.ts'
import { cutoutSettings } from './cutout-settings.ts'
import { byteSize, flag, list, text } from './values.ts'

export { deviceNames }

const percent = text.transform((value, context) => {
  const [, number] = /^(\d+(?:\.\d+)?)%$/.exec(value) ?? []
  if (number !== undefined && Number(number) <= 100) return Number(number)
  context.addIssue({ code: 'custom', message: 'expected a share such as 5%' })
  return z.NEVER
})

/**
 * Every setting, once: its name in `rmbg.config.json`, its environment variable and what it accepts.
 * A flag of the same name in kebab case exists where a command takes it; connection settings have none,
 * because a command line is visible to every user of the machine.
 */
const settings = {
  home: { env: 'RMBG_HOME', schema: text },
  databaseUrl: { env: 'DATABASE_URL', schema: text },
  s3Bucket: { env: 'S3_BUCKET', schema: text },
  s3BucketOriginal: { env: 'S3_BUCKET_ORIGINAL', schema: text },
  s3BucketMask: { env: 'S3_BUCKET_MASK', schema: text },
  s3BucketProcessed: { env: 'S3_BUCKET_PROCESSED', schema: text },
  s3Endpoint: { env: 'S3_ENDPOINT', schema: z.url({ protocol: /^https?$/ }) },
  s3Region: { env: 'S3_REGION', schema: text },
  s3ForcePathStyle: { env: 'S3_FORCE_PATH_STYLE', schema: flag },
  s3Checksums: { env: 'S3_CHECKSUMS', schema: z.enum(['when_supported', 'when_required']) },
  backupTo: { env: 'RMBG_BACKUP_TO', schema: text },
  redisUrl: { env: 'REDIS_URL', schema: text },
  cacheTtl: { env: 'RMBG_CACHE_TTL', schema: z.coerce.number().int().min(1).max(86_400) },
  encryptionKey: { env: 'RMBG_ENCRYPTION_KEY', schema: text.min(16, 'expected at least 16 characters') },
  model: { env: 'RMBG_MODEL', schema: text },
  hfToken: { env: 'HF_TOKEN', schema: text.regex(/^[\x21-\x7e]+$/, 'expected one word of plain characters') },
  hfEndpoint: {
    env: 'HF_ENDPOINT',
    schema: z
      .url({ protocol: /^https?$/ })
      .refine((url) => !url.includes('@'), 'expected no user and password'),
  },
  device: { env: 'RMBG_DEVICE', schema: z.enum(deviceNames) },
  threads: { env: 'RMBG_THREADS', schema: z.coerce.number().int().min(1).max(1024) },
  concurrency: { env: 'RMBG_CONCURRENCY', schema: z.coerce.number().int().min(1).max(256) },
  maxMemory: { env: 'RMBG_MAX_MEMORY', schema: byteSize },
  maxPixels: { env: 'RMBG_MAX_PIXELS', schema: z.coerce.number().int().min(1) },
  allowSvg: { env: 'RMBG_ALLOW_SVG', schema: flag },
  preset: { env: 'RMBG_PRESET', schema: text },
  ...cutoutSettings,
  failOnReview: { env: 'RMBG_FAIL_ON_REVIEW', schema: percent },
  ignore: { env: 'RMBG_IGNORE', schema: list },
  output: { env: 'RMBG_OUTPUT', schema: text },
  user: { env: 'RMBG_USER', schema: text.max(64).regex(/^\P{Cc}*$/u, 'expected visible characters') },
  tag: { env: 'RMBG_TAG', schema: list },
} as const

type Settings = typeof settings
export type SettingName = keyof Settings
/** Settings as given by somebody; what nobody gave is absent. */
export type GivenSettings = { [Name in SettingName]?: z.infer<Settings[Name]['schema']> }
type Defaulted =
  | 'home'
  | 'cacheTtl'
  | 'model'
  | 'hfEndpoint'
  | 'concurrency'
  | 'maxMemory'
  | 'maxPixels'
  | 'user'
  | 'ignore'
  | 'tag'
export type ResolvedSettings = GivenSettings & Required<Pick<GivenSettings, Defaulted>>

/** The environment variable of a setting, for a flag's help. */
export const environmentVariable = (name: SettingName): string => settings[name].env

/**
 * Resolves every setting: flag, then environment, then `rmbg.config.json` or the `rmbg` key of
 * package.json in the working directory, then the default.
 *
 * @throws RmbgError CONFIG_INVALID naming the flag, variable or key and what it expects
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
    if (!parsed.success) throw invalid(source[0], parsed.error)
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

function invalid(label: string, error: z.ZodError): RmbgError {
  // The value itself stays out of the sentence: it may be a URL with a password.
  const expectation = error.issues[0]?.message ?? 'unexpected value'
  return new RmbgError('CONFIG_INVALID', `${label} is not usable: ${expectation}.`)
}

/** The folder of the embedded database below RMBG_HOME. */
export const databaseFolder = (home: string): string => resolve(home, 'database')
/** The folder of the directory store below RMBG_HOME. */
export const storeFolder = (home: string): string => resolve(home, 'store')
/** The folder of installed models below RMBG_HOME. */
export const modelsFolder = (home: string): string => resolve(home, 'models')
