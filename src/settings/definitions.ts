/** Every setting, and what it accepts. How a value is found: `settings.ts`. */
import { z } from 'zod'
import { devices } from '../model/contract.ts'
import { cutoutSettings } from './cutout-settings.ts'
import { byteSize, duration, flag, list, text } from './values.ts'

const percent = text.transform((value, context) => {
  const [, number] = /^(\d+(?:\.\d+)?)%$/.exec(value) ?? []
  if (number !== undefined && Number(number) <= 100) return Number(number)
  context.addIssue({ code: 'custom', message: 'expected a share such as 5%' })
  return z.NEVER
})

/** The name of a bucket alone. ARNs of access points hold a slash too. */
const bucketName = (variable: string) =>
  text.superRefine((value, context) => {
    if (value.startsWith('arn:') || !/[/:]/.test(value)) return
    const [, bucket, prefix] = /^(?:s3:\/\/)?([a-z0-9][a-z0-9.-]+)\/?([\w!.*'()/-]*)$/i.exec(value) ?? []
    const way =
      bucket === undefined
        ? ''
        : `; set ${variable}=${bucket}${prefix ? ` and S3_PREFIX=${prefix.replace(/\/+$/, '')}` : ''}`
    context.addIssue({ code: 'custom', message: `expected the name of a bucket alone${way}` })
  })

/** The part of a key before those of a store: without a slash at its begin, and with one at its end. */
const keyPrefix = text.transform((value, context) => {
  const segments = value.replace(/^\/+|\/+$/g, '').split('/')
  const isPlain = segments.every((segment) => !['', '.', '..'].includes(segment))
  if (isPlain && !/[\p{Cc}\\]/u.test(value) && value.length <= 200) return `${segments.join('/')}/`
  context.addIssue({ code: 'custom', message: 'expected the first part of a key, such as shop/photos' })
  return z.NEVER
})

const kinds = ['original', 'mask', 'processed'] as const

/** Kinds of objects to store, in their order: `original,mask`, a list of them, or `none`. */
const keptKinds = z.union([z.array(z.string()), text]).transform((value, context) => {
  const given = (typeof value === 'string' ? value.split(',') : value).map((name) => name.trim())
  if (given.length === 1 && given[0] === 'none') return []
  const isKnown = given.every((name) => (kinds as readonly string[]).includes(name))
  if (isKnown && given.length > 0) return kinds.filter((kind) => given.includes(kind))
  context.addIssue({
    code: 'custom',
    message: 'expected original, mask, processed, several of them, or none',
  })
  return z.NEVER
})

/**
 * Every setting, once: its name in `rmbg.config.json`, its environment variable and what it accepts.
 * A flag of the same name in kebab case exists where a command takes it; connection settings have none,
 * because a command line is visible to every user of the machine.
 */
export const settings = {
  home: { env: 'RMBG_HOME', schema: text },
  databaseUrl: { env: 'DATABASE_URL', schema: text },
  databaseDirectUrl: { env: 'DATABASE_DIRECT_URL', schema: text },
  databaseReplicaUrl: { env: 'DATABASE_REPLICA_URL', schema: text },
  // A command may hold one for a lock, and needs another one to work.
  databaseConnections: { env: 'DATABASE_CONNECTIONS', schema: z.coerce.number().int().min(2).max(1000) },
  s3Bucket: { env: 'S3_BUCKET', schema: bucketName('S3_BUCKET') },
  s3BucketOriginal: { env: 'S3_BUCKET_ORIGINAL', schema: bucketName('S3_BUCKET_ORIGINAL') },
  s3BucketMask: { env: 'S3_BUCKET_MASK', schema: bucketName('S3_BUCKET_MASK') },
  s3BucketProcessed: { env: 'S3_BUCKET_PROCESSED', schema: bucketName('S3_BUCKET_PROCESSED') },
  s3Prefix: { env: 'S3_PREFIX', schema: keyPrefix },
  s3Endpoint: {
    env: 'S3_ENDPOINT',
    // Those of the AWS SDK and its relatives.
    otherEnv: ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'],
    schema: z.url({ protocol: /^https?$/ }),
  },
  s3Region: { env: 'S3_REGION', schema: text },
  s3ForcePathStyle: { env: 'S3_FORCE_PATH_STYLE', schema: flag },
  s3Checksums: { env: 'S3_CHECKSUMS', schema: z.enum(['when_supported', 'when_required']) },
  patience: { env: 'RMBG_PATIENCE', schema: duration },
  backupTo: { env: 'RMBG_BACKUP_TO', schema: text },
  redisUrl: { env: 'REDIS_URL', schema: text },
  cacheTtl: { env: 'RMBG_CACHE_TTL', schema: z.coerce.number().int().min(1).max(86_400) },
  encryptionKey: { env: 'RMBG_ENCRYPTION_KEY', schema: text.min(16, 'expected at least 16 characters') },
  model: { env: 'RMBG_MODEL', schema: text },
  serverToken: {
    env: 'RMBG_SERVER_TOKEN',
    schema: text.min(16, 'expected at least 16 characters'),
  },
  watchSecret: {
    env: 'RMBG_WATCH_SECRET',
    schema: text.min(16, 'expected at least 16 characters'),
  },
  hfToken: { env: 'HF_TOKEN', schema: text.regex(/^[\x21-\x7e]+$/, 'expected one word of plain characters') },
  hfEndpoint: {
    env: 'HF_ENDPOINT',
    schema: z
      .url({ protocol: /^https?$/ })
      .refine((url) => !url.includes('@'), 'expected no user and password'),
  },
  device: { env: 'RMBG_DEVICE', schema: z.enum(devices) },
  threads: { env: 'RMBG_THREADS', schema: z.coerce.number().int().min(1).max(1024) },
  concurrency: { env: 'RMBG_CONCURRENCY', schema: z.coerce.number().int().min(1).max(256) },
  maxMemory: { env: 'RMBG_MAX_MEMORY', schema: byteSize },
  maxPixels: { env: 'RMBG_MAX_PIXELS', schema: z.coerce.number().int().min(1) },
  allowSvg: { env: 'RMBG_ALLOW_SVG', schema: flag },
  preset: { env: 'RMBG_PRESET', schema: text },
  ...cutoutSettings,
  failOnReview: { env: 'RMBG_FAIL_ON_REVIEW', schema: percent },
  ignore: { env: 'RMBG_IGNORE', schema: list },
  keep: { env: 'RMBG_KEEP', schema: keptKinds },
  originals: { env: 'RMBG_ORIGINALS', schema: z.enum(['reference', 'copy']) },
  output: { env: 'RMBG_OUTPUT', schema: text },
  masks: { env: 'RMBG_MASKS', schema: text },
  user: { env: 'RMBG_USER', schema: text.max(64).regex(/^\P{Cc}*$/u, 'expected visible characters') },
  tag: { env: 'RMBG_TAG', schema: list },
} as const

type Settings = typeof settings
export type SettingName = keyof Settings
/** Settings as given by somebody; what nobody gave is absent. */
export type GivenSettings = { [Name in SettingName]?: z.infer<Settings[Name]['schema']> }
/** Settings that have a value even when nobody gave one. */
export type Defaulted =
  | 'home'
  | 'patience'
  | 'cacheTtl'
  | 'model'
  | 'hfEndpoint'
  | 'concurrency'
  | 'maxMemory'
  | 'maxPixels'
  | 'user'
  | 'keep'
  | 'originals'
  | 'ignore'
  | 'tag'
export type ResolvedSettings = GivenSettings & Required<Pick<GivenSettings, Defaulted>>

/** The environment variable of a setting, for a flag's help. */
export const environmentVariable = (name: SettingName): string => settings[name].env
