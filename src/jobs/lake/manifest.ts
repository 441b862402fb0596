/** What an export says of itself: `rmbg-export.json` beside its months. */
import { buffer } from 'node:stream/consumers'
import { z } from 'zod'
import { RmbgError } from '../../errors.ts'
import type { ObjectStore } from '../../store/contract.ts'
import { ownerKey } from '../../store/owner.ts'
import { sha256Of } from '../../system/sha256.ts'

/** A folder or a prefix in a bucket, for an export alone. */
export interface ExportPlace {
  store: ObjectStore
  /** As it was given: a folder, or `s3://bucket/prefix/`. */
  location: string
}

const manifestKey = 'rmbg-export.json'
const version = 1

const monthSchema = z.object({
  /** `2026-11` */
  month: z.string().regex(/^\d{4}-\d\d$/),
  rows: z.number().int(),
  bytes: z.number().int(),
  /** Hex, of the file. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Jobs that are in the file and were no longer in the log. */
  pruned: z.number().int(),
  /** What the statistics of the month were, as `logMonths` tells. */
  state: z.string(),
  exportedAt: z.string(),
})
export type ExportedMonth = z.infer<typeof monthSchema>

const manifestSchema = z.object({
  format: z.literal('rmbg export of jobs'),
  version: z.number().int(),
  /** Of the files. */
  columns: z.array(z.string()),
  months: z.array(monthSchema),
})
export interface ExportManifest {
  columns: readonly string[]
  /** Oldest first. */
  months: ExportedMonth[]
}

/** Where the jobs of a month are. Engines that know Hive partitions read the month from the folder. */
export const monthKey = (month: string): string => `month=${month}/jobs.parquet`

/**
 * @returns undefined where there is none
 * @throws RmbgError REFUSED when it is not ours, or of a newer release; of family `store`
 */
export async function readManifest({ store, location }: ExportPlace): Promise<ExportManifest | undefined> {
  let text: string
  try {
    text = (await buffer(await store.get(manifestKey))).toString()
  } catch (error) {
    if (error instanceof RmbgError && error.code === 'STORE_OBJECT_MISSING') return undefined
    throw error
  }
  const parsed = manifestSchema.safeParse(jsonOf(text))
  if (!parsed.success)
    throw new RmbgError('REFUSED', `${manifestKey} in ${location} is not one that rmbg export wrote.`)
  if (parsed.data.version > version)
    throw new RmbgError('REFUSED', `The export in ${location} was made by a newer release of rmbg.`, {
      hint: 'Use that release, or export into another place.',
    })
  return parsed.data
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export async function writeManifest({ store }: ExportPlace, manifest: ExportManifest): Promise<void> {
  const bytes = Buffer.from(
    `${JSON.stringify({ format: 'rmbg export of jobs', version, ...manifest }, undefined, 1)}\n`,
  )
  await store.put(manifestKey, bytes, { contentType: 'application/json', sha256: sha256Of(bytes) })
}

/**
 * Looks through a place for what is not of an export. Files beside the months do no harm where an export is; in a
 * place without one they say that it is meant for something else.
 *
 * @returns sizes of the months that are there, in bytes
 * @throws RmbgError REFUSED naming the first object that is not ours
 */
export async function presentMonths(
  { store, location }: ExportPlace,
  { isExport }: { isExport: boolean },
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const sizes = new Map<string, number>()
  for await (const { key, size } of store.list('', signal)) {
    const [, month] = /^month=(\d{4}-\d\d)\/jobs\.parquet$/.exec(key) ?? []
    if (month !== undefined) sizes.set(month, size)
    const isOurs = key === ownerKey || (isExport && (month !== undefined || !key.startsWith('month=')))
    if (isOurs) continue
    throw new RmbgError('REFUSED', `${location} holds ${key}, which no export of rmbg has put there.`, {
      hint: 'Export into an empty place, which is for the export alone.',
    })
  }
  return sizes
}
