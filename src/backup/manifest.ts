import { buffer } from 'node:stream/consumers'
import { z } from 'zod'
import { RmbgError } from '../errors.ts'
import { sha256Of } from '../system/sha256.ts'
import { backupIdRule, splitKey, type Vault } from './vault.ts'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

const objectCounts = {
  /** What the completed jobs in the backup refer to. */
  count: z.number(),
  bytes: z.number(),
  /** Of those, what the store did not have. */
  missing: z.number(),
  /** And what it had, but not as it was written. */
  damaged: z.number().default(0),
}

/** What the dump of a server needs to be restored: `DumpNeeds`. */
const needs = z.object({
  schemas: z.array(z.string()),
  extensions: z.array(z.object({ name: z.string(), schema: z.string() })),
  locale: z.object({
    encoding: z.string(),
    collate: z.string(),
    ctype: z.string(),
    provider: z.enum(['libc', 'icu', 'builtin']),
    locale: z.string().nullable(),
    rules: z.string().nullable(),
  }),
})

const manifestSchema = z.object({
  /** 2 since dumps create their schema, which earlier releases cannot restore into. */
  format: z.literal([1, 2]),
  backupId: z.string().regex(backupIdRule),
  /** When the database was as it is in the backup. */
  createdAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  program: z.string(),
  database: z.object({
    kind: z.enum(['server', 'embedded']),
    /** Major release of PostgreSQL. */
    version: z.number().int(),
    /** Of the archive: custom is pg_dump -Fc, plain is SQL. */
    format: z.enum(['custom', 'plain']),
    file: z.string(),
    bytes: z.number(),
    sha256,
    /** Names of the migrations that were applied. */
    /** Missing in a dump that may hold more than the program's own objects, as earlier releases made them. */
    needs: needs.optional(),
    migrations: z.array(z.string()),
    tables: z.array(z.object({ table: z.string(), rows: z.number(), digest: z.string() })),
  }),
  objects: z.discriminatedUnion('copied', [
    /** The backup holds copies of them, listed in `objects.tsv.gz`; the digest is that of the list. */
    z.object({ ...objectCounts, copied: z.literal(true), sha256 }),
    z.object({ ...objectCounts, copied: z.literal(false), sha256: z.null() }),
  ]),
  /** The last trial restore; null when there was none. */
  drill: z
    .object({
      at: z.iso.datetime(),
      restoreMs: z.number(),
      objectsChecked: z.number(),
    })
    .nullable(),
})

/** What a backup consists of. It is written last: a folder without a manifest is no backup. */
export type Manifest = z.infer<typeof manifestSchema>

export const manifestFile = 'manifest.json'

export async function writeManifest(vault: Vault, manifest: Manifest): Promise<void> {
  const body = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
  await vault.store.put(`${manifest.backupId}/${manifestFile}`, body, {
    contentType: 'application/json',
    sha256: sha256Of(body),
  })
}

/** @throws RmbgError BACKUP_INVALID when it cannot be understood */
export async function readManifest(vault: Vault, backupId: string): Promise<Manifest> {
  const bytes = await buffer(await vault.store.get(`${backupId}/${manifestFile}`))
  let content: unknown
  try {
    content = JSON.parse(bytes.toString())
  } catch {
    content = undefined
  }
  const parsed = manifestSchema.safeParse(content)
  if (parsed.success) return parsed.data
  throw new RmbgError('BACKUP_INVALID', `The manifest of the backup ${backupId} cannot be read.`, {
    hint: 'It is damaged, or a newer release wrote it. Use another backup.',
  })
}

/**
 * The backup that is named, or the newest.
 *
 * @throws RmbgError NOT_FOUND when there is none
 */
export async function chosenManifest(vault: Vault, backupId: string | undefined): Promise<Manifest> {
  if (backupId !== undefined) return readManifest(vault, backupId)
  const newest = (await listManifests(vault)).at(-1)
  if (newest) return newest
  throw new RmbgError('NOT_FOUND', `There is no backup in ${vault.location}.`, {
    hint: 'rmbg backup --to takes one.',
  })
}

/** All backups that are complete, oldest first. */
export async function listManifests(vault: Vault): Promise<Manifest[]> {
  const manifests: Manifest[] = []
  for (const backupId of await backupIds(vault, { complete: true })) {
    manifests.push(await readManifest(vault, backupId))
  }
  // Ids tell seconds only.
  return manifests.sort((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt))
}

/** Ids of complete backups, or of what interrupted ones left behind; oldest first. */
export async function backupIds(vault: Vault, { complete }: { complete: boolean }): Promise<string[]> {
  const files = new Map<string, string[]>()
  // Ids begin with the year; what lies below objects/ is not asked for.
  for (const century of ['1', '2']) {
    for await (const { key } of vault.store.list(century)) {
      const found = splitKey(key)
      if (found) files.set(found.backupId, [...(files.get(found.backupId) ?? []), found.file])
    }
  }
  return [...files]
    .flatMap(([backupId, names]) => (names.includes(manifestFile) === complete ? backupId : []))
    .sort()
}
