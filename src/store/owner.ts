import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { RmbgError } from '../errors.ts'
import { sha256Of } from '../system/sha256.ts'
import { type ObjectStore, objectKinds, type PutOptions } from './contract.ts'

/** The object that says whose a store is. No listing of a kind of objects shows it. */
export const ownerKey = 'rmbg-owner.json'

/** Whose a store is: `id` decides, `database` is for people and never holds a password. */
export interface StoreOwner {
  id: string
  database: string
}

export interface OwnershipOptions {
  /** A store that names this id becomes this one's without a question. */
  heirOf?: string | undefined
  /** An empty store that belongs to nobody becomes this one's. */
  claims: boolean
  /**
   * Asks whether to make a store this one's that is another's, or whose objects may be; throws when not. Without it such
   * a store is refused.
   *
   * @param reason why it would have been refused, in a sentence
   */
  takeOver?: (reason: string) => Promise<void>
}

interface Marker {
  /** Undefined when it cannot be read. */
  owner: StoreOwner | undefined
  etag: string | undefined
}

/** How long a second writer may need, where the server does not tell two writers from each other. */
const settleMs = 2000

/**
 * Makes sure that somebody may write and delete in a store, because it is theirs. It costs one request.
 *
 * @throws RmbgError REFUSED when the store is another's, or holds objects and says not whose
 */
export async function assertOwner(
  store: ObjectStore,
  self: StoreOwner,
  options: OwnershipOptions,
): Promise<void> {
  const marker = await readMarker(store)
  if (marker?.owner?.id === self.id) return
  if (!marker && (await isEmpty(store))) {
    if (options.claims && !(await claimed(store, self))) await assertOwner(store, self, options)
    return
  }
  const isInherited = marker?.owner !== undefined && marker.owner.id === options.heirOf
  if (isInherited) return replaceMarker(store, self, marker)
  const refusal = marker ? belongsTo(store, marker.owner, self) : unmarked(store)
  if (!options.takeOver) throw refusal
  await options.takeOver(refusal.message)
  await (marker ? replaceMarker(store, self, marker) : writeMarker(store, self, 'absent'))
}

async function readMarker(store: ObjectStore): Promise<Marker | undefined> {
  try {
    const stream = await store.get(ownerKey)
    return { owner: parsedOwner((await buffer(stream)).toString()), etag: stream.etag }
  } catch (error) {
    if (error instanceof RmbgError && error.code === 'STORE_OBJECT_MISSING') return undefined
    throw error
  }
}

const markerSchema = z.object({ installation: z.string(), database: z.string() })

function parsedOwner(text: string): StoreOwner | undefined {
  try {
    const { installation, database } = markerSchema.parse(JSON.parse(text))
    return { id: installation, database }
  } catch {
    return undefined
  }
}

async function isEmpty(store: ObjectStore): Promise<boolean> {
  for (const kind of objectKinds) {
    for await (const _ of store.list(`${kind}/`)) return false
  }
  return true
}

/** @returns false when somebody else was faster */
async function claimed(store: ObjectStore, self: StoreOwner): Promise<boolean> {
  try {
    await writeMarker(store, self, 'absent')
  } catch (error) {
    if (isConflict(error)) return false
    throw error
  }
  if (await knowsConditions(store, self)) return true
  await sleep(settleMs)
  return (await readMarker(store))?.owner?.id === self.id
}

/** Whether the server refuses to write over an object that may not be there; some ignore that wish. */
async function knowsConditions(store: ObjectStore, self: StoreOwner): Promise<boolean> {
  try {
    await writeMarker(store, self, 'absent')
    return false
  } catch (error) {
    if (isConflict(error)) return true
    throw error
  }
}

async function replaceMarker(store: ObjectStore, self: StoreOwner, { etag }: Marker): Promise<void> {
  try {
    await writeMarker(store, self, { etag })
  } catch (error) {
    // Some servers know an etag only in another spelling: then it is still the same marker.
    if (!isConflict(error) || (await readMarker(store))?.etag !== etag) throw error
    await writeMarker(store, self, { etag: undefined })
  }
}

async function writeMarker(
  store: ObjectStore,
  { id, database }: StoreOwner,
  onlyIf: NonNullable<PutOptions['onlyIf']>,
): Promise<void> {
  const marker = { installation: id, database, createdAt: new Date().toISOString() }
  const body = Buffer.from(`${JSON.stringify(marker, null, 2)}\n`)
  await store.put(ownerKey, body, { contentType: 'application/json', sha256: sha256Of(body), onlyIf })
}

const isConflict = (error: unknown): boolean => error instanceof RmbgError && error.code === 'STORE_CONFLICT'

function belongsTo({ location }: ObjectStore, owner: StoreOwner | undefined, self: StoreOwner): RmbgError {
  const other = owner?.database ?? 'a database that its marker does not name'
  const isSamePlace = other === self.database
  return new RmbgError(
    'REFUSED',
    isSamePlace
      ? `The store ${location} belongs to another database that was at ${other} before this one.`
      : `The store ${location} belongs to ${other}. This database is ${self.database}.`,
    {
      hint: 'Give this database a store of its own: another S3_BUCKET, S3_PREFIX or RMBG_HOME. If it replaces the other database, which is gone, add --take-over.',
    },
  )
}

const unmarked = ({ location }: ObjectStore): RmbgError =>
  new RmbgError(
    'REFUSED',
    `The store ${location} holds objects, and ${ownerKey}, which says whose they are, is missing.`,
    {
      hint: 'If they are of this database, add --take-over once. If not, use another S3_BUCKET, S3_PREFIX or RMBG_HOME.',
    },
  )
