import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, link, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { pipeline } from 'node:stream/promises'
import { RmbgError } from '../../errors.ts'
import { sync } from '../../files.ts'
import { type Downloaded, type DownloadOptions, diskError, download } from './download.ts'
import { modelPaths, type Origin, readOrigin, sha256Of } from './installed.ts'
import { type FetchableModel, fetchableModels, findFetchable } from './known.ts'

export interface PullOptions
  extends Pick<DownloadOptions, 'onProgress' | 'signal' | 'stallMs' | 'backoffMs'> {
  modelsFolder: string
  /** Asked about a licence that restricts use; true is kept with the model, with the user's name. */
  acceptsLicence: (model: FetchableModel, name: string) => Promise<boolean>
  /** Of Hugging Face, for gated models. */
  token?: string | undefined
  /** Where Hugging Face is, or a mirror of it. */
  endpoint: string
  /** Take this file instead of fetching one. */
  from?: string | undefined
}

export interface Pulled extends Origin {
  name: string
  variant: string
  file: string
  /** It was there already. */
  wasInstalled: boolean
}

const modelScope = 'https://modelscope.cn'

/**
 * Installs a model: fetched or copied beside its place, checked, and given its name when it is whole.
 *
 * @param nameAndVariant `rmbg-2.0` or `rmbg-2.0:q4f16`
 * @throws RmbgError MODEL_MISSING for an unknown name, MODEL_LICENCE when it is not accepted, MODEL_DAMAGED when the
 *   digest is wrong (nothing is kept then), MODEL_GATED, MODEL_DOWNLOAD
 */
export async function pullModel(nameAndVariant: string, options: PullOptions): Promise<Pulled> {
  const found = findFetchable(nameAndVariant)
  if (!found) throw unknownModel(nameAndVariant)
  const { name, model, variant } = found
  const { folder, file, origin } = modelPaths(options.modelsFolder, name, variant)
  const installed = await readOrigin(options.modelsFolder, name, variant)
  if (installed) return { ...installed, name, variant, file, wasInstalled: true }

  if (model.nonCommercial && !(await options.acceptsLicence(model, name))) {
    throw new RmbgError('MODEL_LICENCE', `The licence of ${name} (${model.licence}) was not accepted.`, {
      hint: 'Accept it with --accept-license.',
    })
  }
  await mkdir(folder, { recursive: true }).catch((cause) => Promise.reject(diskError(cause, folder)))
  const release = await lock(`${file}.lock`, name)
  const part = `${file}.part`
  try {
    const { size, sha256, md5 } = model.variants[variant]!
    const fetched = options.from
      ? await copied(options.from, part)
      : await download({
          ...options,
          sources: sourcesOf(model, variant, options),
          termsPage: model.page,
          part,
          size,
        })
    const isRight =
      (size ?? fetched.size) === fetched.size &&
      (sha256 ?? fetched.sha256) === fetched.sha256 &&
      (md5 ?? fetched.md5) === fetched.md5
    if (!isRight) {
      await rm(part, { force: true })
      throw new RmbgError(
        'MODEL_DAMAGED',
        `What came from ${fetched.source} is not ${name} (${variant}): its digest is wrong.`,
        {
          hint: 'Nothing was kept. Try again; if it stays so, the file was changed or replaced.',
        },
      )
    }
    const record: Origin = {
      source: fetched.source,
      size: fetched.size,
      sha256: fetched.sha256,
      pinned: sha256 !== undefined || md5 !== undefined,
      fetchedAt: new Date().toISOString(),
      licence: {
        name: model.licence,
        ...(model.nonCommercial && { acceptedBy: userInfo().username, acceptedAt: new Date().toISOString() }),
      },
      mtimeMs: (await stat(part)).mtimeMs,
    }
    await writeFile(`${origin}.new`, `${JSON.stringify(record, null, 2)}\n`, { flush: true })
    await rename(part, file)
    await rename(`${origin}.new`, origin)
    await sync(folder)
    return { ...record, name, variant, file, wasInstalled: false }
  } finally {
    await release()
  }
}

/** What a person must know before using the model. */
export const licenceSentence = (name: string, { licence, page }: FetchableModel): string =>
  `${name} is licensed under ${licence}: commercial use needs an agreement with its makers (${page}).`

export function unknownModel(name: string): RmbgError {
  const variants = Object.entries(fetchableModels).map(([known, { variants }]) =>
    Object.keys(variants).length > 1 ? `${known}[:${Object.keys(variants).join('|')}]` : known,
  )
  return new RmbgError('MODEL_MISSING', `There is no model named "${name}" that could be fetched.`, {
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
  return { source: from, size: (await stat(part)).size, sha256: await sha256Of(part), md5: await md5Of(part) }
}

async function md5Of(file: string): Promise<string> {
  const hash = createHash('md5')
  await pipeline(createReadStream(file, { highWaterMark: 2 ** 20 }), hash)
  return hash.digest('hex')
}

/** One pull at a time for each file; a lock left by a process that is gone is taken over. */
async function lock(file: string, name: string): Promise<() => Promise<void>> {
  const own = `${file}.${process.pid}`
  await writeFile(own, String(process.pid))
  for (let attempt = 0; ; attempt++) {
    try {
      // Linked, so that nobody ever sees it without its owner.
      await link(own, file)
      await rm(own)
      return () => rm(file, { force: true })
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST')
        throw diskError(cause as NodeJS.ErrnoException, file)
      const owner = Number(await readFile(file, 'utf8').catch(() => ''))
      if (attempt > 2 || (owner > 0 && isAlive(owner))) {
        await rm(own, { force: true })
        throw new RmbgError('MODEL_DOWNLOAD', `Another process (${owner}) is fetching ${name} right now.`, {
          hint: `Wait for it. If it is certainly gone, delete ${file}.`,
        })
      }
      await rm(file, { force: true })
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
