import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { RmbgError } from '../../errors.ts'
import { sync } from '../../system/files.ts'
import { takeLock } from '../../system/lock.ts'
import { userName } from '../../system/user.ts'
import type { ModelSpec } from '../contract.ts'
import { forgetPrepared } from '../prepared/shelf.ts'
import { type Downloaded, diskError } from './download.ts'
import { externalData } from './external-data.ts'
import { type Fetched, type FetchOptions, fetchTo, npmFolder } from './fetch.ts'
import { modelPaths, type Origin, readOrigin } from './installed.ts'
import { type FetchableModel, fetchableModels, findFetchable, type Variant } from './known.ts'
import { toSpec } from './registry.ts'

export interface PullOptions extends FetchOptions {
  modelsFolder: string
  /** Called for a license that restricts use. Acceptance is recorded beside the model, with the user's name. */
  acceptsLicense: (model: FetchableModel, name: string) => Promise<boolean>
  /** Loads and runs the file before it becomes the model (`tryModel`); what it throws refuses the file. */
  tryIt: (spec: ModelSpec) => Promise<unknown>
}

export interface Pulled extends Origin {
  name: string
  variant: string
  file: string
  /** It was installed before. */
  wasInstalled: boolean
}

/**
 * Installs a model. It is fetched next to its final place, checked, tried, and renamed when it is known to work.
 *
 * @param nameAndVariant `rmbg-2.0` or `rmbg-2.0:q4f16`
 * @throws RmbgError MODEL_MISSING for an unknown name, MODEL_LICENSE when it is not accepted, MODEL_DAMAGED when the
 *   digest is wrong, MODEL_INVALID when its weights are in other files or it does not work (nothing is kept then),
 *   MODEL_GATED, MODEL_DOWNLOAD
 */
export async function pullModel(nameAndVariant: string, options: PullOptions): Promise<Pulled> {
  const found = findFetchable(nameAndVariant)
  if (!found) throw unknownModel(nameAndVariant)
  return installModel(found, options)
}

/** A model of the list, or one that a test made up. */
export interface Wanted {
  name: string
  model: FetchableModel
  variant: string
}

/** @throws RmbgError as `pullModel` */
export async function installModel({ name, model, variant }: Wanted, options: PullOptions): Promise<Pulled> {
  const { folder, file, origin, license } = modelPaths(options.modelsFolder, name, variant)
  const installed = await readOrigin(options.modelsFolder, name, variant)
  if (installed) return { ...installed, name, variant, file, wasInstalled: true }

  if (needsAcceptance(model) && !(await options.acceptsLicense(model, name))) {
    throw new RmbgError('MODEL_LICENSE', `The license of ${name} (${model.license}) was not accepted.`, {
      hint: 'Accept it with --accept-license, or with --yes for rmbg setup.',
    })
  }
  await mkdir(folder, { recursive: true }).catch((cause) => Promise.reject(diskError(cause, folder)))
  const release = await lockFile(file, name)
  const part = `${file}.part`
  try {
    await rm(npmFolder(part), { recursive: true, force: true, maxRetries: 3 })
    const fetched = await fetchTo(part, model, model.variants[variant]!, options)
    await requireGenuine(part, fetched, { name, model, variant })
    await requireWholeModel(part, fetched.source)
    await requireWorking(part, fetched, { name, model, variant }, options)
    for (const [text, content] of Object.entries(fetched.licenses ?? {})) {
      await writeFile(license(text), content, { flush: true })
    }
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

async function requireGenuine(
  part: string,
  fetched: Fetched,
  { name, model, variant }: Wanted,
): Promise<void> {
  if (isTheFile(fetched, model.variants[variant]!)) return
  await rm(part, { force: true })
  throw new RmbgError(
    'MODEL_DAMAGED',
    `The file from ${fetched.source} is not ${name} (${variant}): its digest is wrong.`,
    { hint: 'Nothing was kept. Try again. If it happens again, the file was changed or replaced.' },
  )
}

async function requireWorking(
  part: string,
  { source, sha256 }: Fetched,
  { name, model, variant }: Wanted,
  { tryIt, signal, modelsFolder }: PullOptions,
): Promise<void> {
  try {
    await tryIt({ ...toSpec(name, part, sha256, model), variant })
    signal?.throwIfAborted()
  } catch (cause) {
    if (!(cause instanceof RmbgError)) throw cause
    await rm(part, { force: true })
    await forgetPrepared(modelsFolder, sha256)
    const reason = cause.message.replace(`${part} `, 'it ')
    throw new RmbgError(cause.code, `The file from ${source} cannot be ${name} (${variant}): ${reason}`, {
      hint: 'It was tried, and nothing was installed. A file of your own can be given by its path: --model FILE.onnx',
      cause,
    })
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

/** Compares only what is known about the file beforehand. */
const isTheFile = (fetched: Downloaded, { size, sha256, md5 }: Variant): boolean =>
  (size ?? fetched.size) === fetched.size &&
  (sha256 ?? fetched.sha256) === fetched.sha256 &&
  (md5 ?? fetched.md5) === fetched.md5

function recordOf(
  { source, size, sha256, licenses = {} }: Fetched,
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
      ...(needsAcceptance(model) && { acceptedBy: userName(), acceptedAt: now }),
      ...(Object.keys(licenses).length > 0 && { texts: Object.keys(licenses) }),
    },
    mtimeMs,
  }
}

/** Whether somebody has to accept something before the model is fetched. */
const needsAcceptance = ({ nonCommercial, terms }: FetchableModel): boolean =>
  nonCommercial || terms !== undefined

/** What a person has to know before using the model. */
export const licenseSentence = (name: string, { license, page, terms }: FetchableModel): string =>
  terms ??
  `${name} is licensed under ${license}: commercial use needs an agreement with its makers (${page}).`

function unknownModel(name: string): RmbgError {
  const variants = Object.entries(fetchableModels).map(([known, { variants }]) =>
    Object.keys(variants).length > 1 ? `${known}[:${Object.keys(variants).join('|')}]` : known,
  )
  return new RmbgError('MODEL_MISSING', `There is no model named "${name}" that could be downloaded.`, {
    hint: `Known: ${variants.join(', ')}.`,
  })
}

/** One pull at a time for each file. */
const lockFile = (file: string, name: string): Promise<() => Promise<void>> =>
  takeLock(`${file}.lock`, (holder) => {
    const who = holder ? `Another process (${holder.pid})` : 'Another process'
    return new RmbgError('MODEL_DOWNLOAD', `${who} is fetching ${name} right now.`, {
      hint: `Wait for it. Only if it is certainly gone (another machine or container): delete ${file}.lock.`,
    })
  }).catch((cause) => Promise.reject(cause instanceof RmbgError ? cause : diskError(cause, file)))
