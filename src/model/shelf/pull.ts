import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { RmbgError } from '../../errors.ts'
import { sync } from '../../system/files.ts'
import { takeLock } from '../../system/lock.ts'
import { sha256OfFile } from '../../system/sha256.ts'
import { userName } from '../../system/user.ts'
import { type Downloaded, type DownloadOptions, diskError, download } from './download.ts'
import { externalData } from './external-data.ts'
import { modelPaths, type Origin, readOrigin } from './installed.ts'
import { type FetchableModel, fetchableModels, findFetchable, type Variant } from './known.ts'

export interface PullOptions
  extends Pick<DownloadOptions, 'onProgress' | 'signal' | 'stallMs' | 'backoffMs'> {
  modelsFolder: string
  /** Called for a license that restricts use. Acceptance is recorded beside the model, with the user's name. */
  acceptsLicense: (model: FetchableModel, name: string) => Promise<boolean>
  /** Hugging Face token, for gated models. */
  token?: string | undefined
  /** URL of Hugging Face, or of a mirror. */
  endpoint: string
  /** Path of a file to install instead of downloading one. */
  from?: string | undefined
}

export interface Pulled extends Origin {
  name: string
  variant: string
  file: string
  /** It was installed before. */
  wasInstalled: boolean
}

const modelScope = 'https://modelscope.cn'

/**
 * Installs a model. It is downloaded or copied next to its final place, checked, and renamed when it is complete.
 *
 * @param nameAndVariant `rmbg-2.0` or `rmbg-2.0:q4f16`
 * @throws RmbgError MODEL_MISSING for an unknown name, MODEL_LICENSE when it is not accepted, MODEL_DAMAGED when the
 *   digest is wrong (nothing is kept then), MODEL_INVALID when its weights are in other files, MODEL_GATED, MODEL_DOWNLOAD
 */
export async function pullModel(nameAndVariant: string, options: PullOptions): Promise<Pulled> {
  const found = findFetchable(nameAndVariant)
  if (!found) throw unknownModel(nameAndVariant)
  const { name, model, variant } = found
  const { folder, file, origin } = modelPaths(options.modelsFolder, name, variant)
  const installed = await readOrigin(options.modelsFolder, name, variant)
  if (installed) return { ...installed, name, variant, file, wasInstalled: true }

  if (model.nonCommercial && !(await options.acceptsLicense(model, name))) {
    throw new RmbgError('MODEL_LICENSE', `The license of ${name} (${model.license}) was not accepted.`, {
      hint: 'Accept it with --accept-license.',
    })
  }
  await mkdir(folder, { recursive: true }).catch((cause) => Promise.reject(diskError(cause, folder)))
  const release = await lockFile(file, name)
  const part = `${file}.part`
  try {
    const fetched = await fetchTo(part, model, variant, options)
    if (!isTheFile(fetched, model.variants[variant]!)) {
      await rm(part, { force: true })
      throw new RmbgError(
        'MODEL_DAMAGED',
        `The file from ${fetched.source} is not ${name} (${variant}): its digest is wrong.`,
        { hint: 'Nothing was kept. Try again. If it happens again, the file was changed or replaced.' },
      )
    }
    await requireWholeModel(part, fetched.source)
    const record = recordOf(fetched, model, variant, (await stat(part)).mtimeMs)
    await writeFile(`${origin}.new`, `${JSON.stringify(record, null, 2)}\n`, { flush: true })
    await rename(part, file)
    await rename(`${origin}.new`, origin)
    await sync(folder)
    return { ...record, name, variant, file, wasInstalled: false }
  } finally {
    await release()
  }
}

/** Only one file is fetched, and only that is checked: the weights would be missing. */
async function requireWholeModel(part: string, source: string): Promise<void> {
  const elsewhere = await externalData(part)
  if (elsewhere.length === 0) return
  await rm(part, { force: true })
  throw new RmbgError(
    'MODEL_INVALID',
    `${source} keeps its weights in other files (${elsewhere.join(', ')}).`,
    {
      hint: 'Give its path to --model instead.',
    },
  )
}

async function fetchTo(
  part: string,
  model: FetchableModel,
  variant: string,
  options: PullOptions,
): Promise<Downloaded> {
  if (options.from) return copied(options.from, part)
  const { size } = model.variants[variant]!
  return download({
    ...options,
    sources: sourcesOf(model, variant, options),
    termsPage: model.page,
    part,
    size,
  })
}

/** Compares only what is known about the file beforehand. */
const isTheFile = (fetched: Downloaded, { size, sha256, md5 }: Variant): boolean =>
  (size ?? fetched.size) === fetched.size &&
  (sha256 ?? fetched.sha256) === fetched.sha256 &&
  (md5 ?? fetched.md5) === fetched.md5

function recordOf(
  { source, size, sha256 }: Downloaded,
  model: FetchableModel,
  variant: string,
  mtimeMs: number,
): Origin {
  const known = model.variants[variant]!
  const now = new Date().toISOString()
  return {
    source,
    size,
    sha256,
    pinned: known.sha256 !== undefined || known.md5 !== undefined,
    fetchedAt: now,
    license: {
      name: model.license,
      ...(model.nonCommercial && { acceptedBy: userName(), acceptedAt: now }),
    },
    mtimeMs,
  }
}

/** What a person has to know before using the model. */
export const licenseSentence = (name: string, { license, page }: FetchableModel): string =>
  `${name} is licensed under ${license}: commercial use needs an agreement with its makers (${page}).`

function unknownModel(name: string): RmbgError {
  const variants = Object.entries(fetchableModels).map(([known, { variants }]) =>
    Object.keys(variants).length > 1 ? `${known}[:${Object.keys(variants).join('|')}]` : known,
  )
  return new RmbgError('MODEL_MISSING', `There is no model named "${name}" that could be downloaded.`, {
    hint: `Known: ${variants.join(', ')}.`,
  })
}

function sourcesOf(model: FetchableModel, variant: string, { endpoint, token }: PullOptions) {
  const { file } = model.variants[variant]!
  if (URL.canParse(file)) return [{ url: file }]
  const base = endpoint.replace(/\/+$/, '')
  return [
    { url: `${base}/${model.huggingFace}/resolve/main/${file}`, token },
    ...(model.modelScope ? [{ url: `${modelScope}/models/${model.modelScope}/resolve/master/${file}` }] : []),
  ]
}

async function copied(from: string, part: string): Promise<Downloaded> {
  await copyFile(from, part).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw new RmbgError('MODEL_MISSING', `There is no file ${from}.`, { cause })
    throw diskError(cause, part)
  })
  await sync(part)
  return {
    source: from,
    size: (await stat(part)).size,
    sha256: await sha256OfFile(part),
    md5: await md5Of(part),
  }
}

async function md5Of(file: string): Promise<string> {
  const hash = createHash('md5')
  await pipeline(createReadStream(file, { highWaterMark: 2 ** 20 }), hash)
  return hash.digest('hex')
}

/** One pull at a time for each file. */
const lockFile = (file: string, name: string): Promise<() => Promise<void>> =>
  takeLock(`${file}.lock`, (holder) => {
    const who = holder ? `Another process (${holder.pid})` : 'Another process'
    return new RmbgError('MODEL_DOWNLOAD', `${who} is fetching ${name} right now.`, {
      hint: `Wait for it. Only if it is certainly gone (another machine or container): delete ${file}.lock.`,
    })
  }).catch((cause) => Promise.reject(cause instanceof RmbgError ? cause : diskError(cause, file)))
