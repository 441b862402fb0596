import { resolve } from 'node:path'
import { splitLocation, type Vault } from './backup/vault.ts'
import type { Cache } from './cache/contract.ts'
import type { Database } from './database/contract.ts'
import type { DatabaseLocale } from './database/database-locale.ts'
import type { ReplicaState } from './database/replica.ts'
import { RmbgError } from './errors.ts'
import type { MatteModel, ModelSpec } from './model/contract.ts'
import type { RuntimeNews } from './model/runtime/provide.ts'
import { once } from './once.ts'
import { embeddedDatabase, placeVariable, urlOfVariables } from './settings/database-place.ts'
import {
  databaseFolder,
  environmentVariable,
  modelsFolder,
  type ResolvedSettings,
  storeFolder,
} from './settings/settings.ts'
import { type ObjectKind, type ObjectStore, objectKinds } from './store/contract.ts'
import type { InputBucket } from './store/input-bucket.ts'
import type { OutputBucket } from './store/output-bucket.ts'
import type { OwnershipOptions } from './store/owner.ts'
import type { S3Options } from './store/s3/index.ts'
import { type Patience, type PatienceOptions, patience, type ServerNews } from './system/patience.ts'

/** What a command works with. Everything opens on first use, once, and closes in reverse order. */
export interface Context {
  /** The object store, to read from it: it may be another database's. */
  store(): Promise<ObjectStore>
  /**
   * The object store, to write and delete there: it belongs to this database. Costs one request for each bucket.
   *
   * @throws RmbgError REFUSED when it is another database's, or holds objects and says not whose
   */
  ownStore(database: Database, options: OwnershipOptions): Promise<ObjectStore>
  /**
   * A bucket to read pictures from, with the connection settings of the object store.
   *
   * @param prefix what all keys begin with that are wanted; absent: single objects are named, see `isOwnObject`
   * @throws RmbgError REFUSED where objects of this store begin so
   */
  inputBucket(name: string, prefix?: string): Promise<InputBucket>
  /**
   * A bucket to write cut-outs to, with the connection settings of the object store.
   *
   * @param prefix what all keys begin with
   * @throws RmbgError REFUSED where objects of this store, or its backups, begin so, or another store lies there
   */
  outputBucket(name: string, prefix: string): Promise<OutputBucket>
  /** Whether an object is one of the store's, by its key. */
  isOwnObject(bucket: string, key: string): boolean
  /** The buckets of the object store, each once; none when the objects are in a folder. */
  buckets(): S3Options[]
  /**
   * The database, migrated: an embedded one migrates itself, a server that lacks migrations is refused.
   *
   * @param options.migrated false: as it is, whatever it lacks
   * @param options.sessions of a database that is not migrated: `needed` where each connection has to be a session of
   *   its own, `preferred` where that is safer but DATABASE_DIRECT_URL may be missing
   * @throws RmbgError of family `database`, REFUSED where sessions are needed and a pooler keeps none
   */
  database(options?: { migrated: boolean; sessions?: 'needed' | 'preferred' }): Promise<Database>
  /**
   * The database to ask something of and to write nothing to: the replica of DATABASE_REPLICA_URL, where there is one and it
   * answers; else the primary, as `database()` gives it.
   *
   * @param options.fresh the primary, whatever there is
   * @param options.tell told in a sentence why it is not the replica, or what is unknown of that
   * @throws RmbgError REFUSED when the replica is one of another database; CONFIG_INVALID when it can be none
   */
  databaseToRead(options: ReadOptions): Promise<ReadDatabase>
  /** Whether there is a database to look at. `database()` would create an embedded one that is not there yet. */
  databaseExists(): Promise<boolean>
  /**
   * Another database on the server of DATABASE_URL, as it is; created unless it is there. Each connection is a session.
   *
   * @param locale how it writes and sorts text if it is created; as the one in DATABASE_URL unless it is given
   * @throws RmbgError USAGE without a server, REFUSED where a pooler keeps no sessions
   */
  databaseNamed(name: string, locale?: DatabaseLocale): Promise<Database>
  /**
   * The bucket or folder that backups are kept in, and one of its backups where the location names it.
   *
   * @param location a folder, or `s3://bucket/prefix` on the same server as the object store, or either with
   *   `/<backup id>` at its end; undefined means the setting
   * @throws RmbgError USAGE when there is no such setting
   */
  vault(location?: string): Promise<{ vault: Vault; backupId?: string }>
  /**
   * A folder or a prefix of a bucket for an export of the log.
   *
   * @param location a folder, or `s3://bucket/prefix` on the same server as the object store
   */
  exportPlace(location: string): Promise<Place>
  /** Redis, or nothing at all; it warns through `onWarning` when it cannot be used. */
  cache(onWarning: (message: string) => void): Promise<Cache>
  /** Patience with a server, which is told of as that with the database and the store. */
  patience(): Patience
  /** Finds and checks the model file without loading it. */
  modelSpec(): Promise<ModelSpec>
  model(): Promise<MatteModel>
  /** Another model than that of the settings, by its name; found at once, and loaded when it is first asked for. */
  modelNamed(name: string): Promise<{ spec: ModelSpec; model: () => Promise<MatteModel> }>
  close(): Promise<void>
}

export interface ReadOptions {
  fresh: boolean
  tell: (sentence: string) => void
}

export interface ReadDatabase {
  database: Database
  /** Undefined: it is the primary. */
  replica: ReplicaState | undefined
}

/** Objects of their own, beside the object store. */
export interface Place {
  store: ObjectStore
  /** As it was given: a folder, or `s3://bucket/prefix/`. */
  location: string
}

/** What is waited for, in words: a server that is away, or ONNX Runtime on its way. */
export type WaitingNews = ServerNews | RuntimeNews

/** How servers that are away are waited for, and who is told what is waited for. */
export type Waiting = Pick<PatienceOptions, 'signal'> & { tell?: (news: WaitingNews) => void }

/** Told of each database that is opened, before anything is asked of it. */
export type OnDatabase = (database: Pick<Database, 'kind' | 'location'>) => void

/** What drivers are made of: the settings, and how long to wait for servers. */
type Drivers = ResolvedSettings & {
  patiences: { database: Patience; store: Patience }
  onDatabase: OnDatabase
}

/** The only place that chooses drivers; each is imported when it is first needed. */
export function openContext(
  resolved: ResolvedSettings,
  waiting: Waiting & { onDatabase?: OnDatabase } = {},
): Context {
  const { closing, close } = closables()
  const patient = () => patience({ forMs: resolved.patience * 1000, ...waiting })
  const { onDatabase = () => {} } = waiting
  const settings: Drivers = { ...resolved, onDatabase, patiences: { database: patient(), store: patient() } }
  const places = once(() => openPlaces(settings))
  const store = once(() => closing(places().then(storeOf)))
  const database = once(() => closing(openDatabase(settings, { migrated: true })))
  const unmigrated = once(() => closing(openDatabase(settings, { migrated: false })))
  const direct = once(async () => {
    const opened = await unmigrated()
    return opened.kind === 'server' ? closing(opened.direct('A restore')) : opened
  })
  let warn = (_message: string): void => {}
  const cache = once(() => closing(openCache(settings, database, (message) => warn(message))))
  const specOf = async (name: string) => {
    const { resolveModel } = await import('./model/shelf/registry.ts')
    return resolveModel(name, { modelsFolder: modelsFolder(settings.home) })
  }
  const modelSpec = once(() => specOf(settings.model))
  const model = once(() => closing(openModel(settings, modelSpec, waiting)))
  return {
    store,
    ownStore: async (database, options) => {
      const own = await store()
      await assertOwnPlaces(Object.values(await places()), database, options)
      return own
    },
    buckets: () => bucketsOf(settings),
    ...bucketsOfOthers(settings, closing),
    database: async ({ migrated, sessions } = { migrated: true }) => {
      if (migrated) return database()
      const isDirect = sessions === 'needed' || (sessions === 'preferred' && settings.databaseDirectUrl)
      return isDirect ? direct() : unmigrated()
    },
    databaseToRead: async ({ fresh, tell }) => {
      const replica = fresh ? undefined : await openReplica(settings, tell)
      if (!replica) return { database: await database(), replica: undefined }
      void closing(Promise.resolve(replica.database))
      return replica
    },
    databaseExists: () => databaseExists(settings),
    databaseNamed: (name, locale) => closing(openDatabaseNamed(settings, name, locale)),
    vault: async (location) => {
      const { place, ...named } = splitLocation(location ?? backupLocation(settings))
      const vault = await openPlace(settings, place)
      void closing(Promise.resolve(vault.store))
      return { vault, ...named }
    },
    exportPlace: async (location) => {
      const place = await openPlace(settings, location)
      void closing(Promise.resolve(place.store))
      return place
    },
    cache: (onWarning) => {
      warn = onWarning
      return cache()
    },
    patience: patient,
    modelSpec,
    model,
    modelNamed: async (name) => {
      const spec = await specOf(name)
      return { spec, model: once(() => closing(openModel(settings, async () => spec, waiting))) }
    },
    close,
  }
}

/** Buckets that pictures come from and cut-outs go to. */
function bucketsOfOthers(
  settings: Drivers,
  closing: ReturnType<typeof closables>['closing'],
): Pick<Context, 'inputBucket' | 'outputBucket' | 'isOwnObject'> {
  const inputBuckets = new Map<string, Promise<InputBucket>>()
  return {
    inputBucket: async (name, prefix) => {
      if (prefix !== undefined) assertNoStore(settings, name, prefix)
      const bucket = inputBuckets.get(name) ?? closing(openInputBucket(settings, name))
      inputBuckets.set(name, bucket)
      return bucket
    },
    outputBucket: (name, prefix) => closing(openOutputBucket(settings, name, prefix)),
    isOwnObject: (bucket, key) => ownPrefixes(settings, bucket).some((own) => key.startsWith(own)),
  }
}

interface Closable {
  close(): Promise<void>
}

/** Keeps what is opened, to close it in reverse order. */
function closables() {
  const opened: Promise<Closable>[] = []
  return {
    closing: <T extends Closable>(opening: Promise<T>): Promise<T> => {
      opened.push(opening)
      return opening
    },
    close: async () => {
      for (const opening of opened.splice(0).reverse()) {
        // Wait for what is still opening. The caller who asked for it has already got its failure to open.
        await opening.then(
          (value) => value.close(),
          () => {},
        )
      }
    },
  }
}

async function openDatabase(
  {
    databaseUrl,
    databaseDirectUrl: directUrl,
    databaseConnections: maxConnections,
    home,
    patiences,
    onDatabase,
  }: Drivers,
  { migrated }: { migrated: boolean },
): Promise<Database> {
  if (databaseUrl === undefined) {
    const { openEmbedded } = await import('./database/embedded.ts')
    const embedded = await openEmbedded(databaseFolder(home), { migrate: migrated })
    onDatabase(embedded)
    return embedded
  }
  const { connectServer } = await import('./database/connect.ts')
  const { setDatabasePatience } = await import('./database/errors.ts')
  setDatabasePatience(patiences.database)
  const server = connectServer(databaseUrl, { maxConnections, directUrl })
  onDatabase(server)
  try {
    await server.isPooled() // before a statement is prepared
    if (!migrated) return server
    const { assertMigrated } = await import('./database/migrate.ts')
    await assertMigrated(server.sql)
  } catch (error) {
    await server.close()
    throw databaseUrl === urlOfVariables ? namedByVariables(error, server) : error
  }
  return server
}

/** @returns undefined where there is none, or it cannot be asked */
async function openReplica(
  { databaseUrl, databaseReplicaUrl, databaseConnections: maxConnections, patiences }: Drivers,
  tell: ReadOptions['tell'],
): Promise<ReadDatabase | undefined> {
  if (databaseReplicaUrl === undefined) return undefined
  if (databaseUrl === undefined) {
    throw new RmbgError(
      'CONFIG_INVALID',
      'DATABASE_REPLICA_URL is set, but no server that it could be a replica of.',
      {
        hint: 'Set DATABASE_URL to the primary: the embedded database has no replicas.',
      },
    )
  }
  const { connectServer } = await import('./database/connect.ts')
  const { setDatabasePatience } = await import('./database/errors.ts')
  const { lookAtReplica } = await import('./database/replica.ts')
  const replica = connectServer(databaseReplicaUrl, { maxConnections })
  const primary = connectServer(databaseUrl, { maxConnections: 2 })
  // There is another server to ask: neither of them is waited for.
  setDatabasePatience(patience({ forMs: 0 }))
  try {
    const state = await lookAtReplica(replica, primary)
    if (state.lagBytes === null)
      tell('The primary does not answer: the replica is asked, without knowing how far it is behind.')
    return { database: replica, replica: state }
  } catch (error) {
    await replica.close()
    if (!(error instanceof RmbgError) || error.family !== 'database') throw error
    tell(`The replica cannot be asked (${error.message.replace(/\.$/, '')}): the primary is asked instead.`)
    return undefined
  } finally {
    await primary.close()
    setDatabasePatience(patiences.database)
  }
}

/** Somebody may have libpq's variables for something else, and mean the embedded database. */
function namedByVariables(error: unknown, { location }: Database): unknown {
  if (!(error instanceof RmbgError) || error.code !== 'DATABASE_NOT_MIGRATED') return error
  const variable = placeVariable(process.env) ?? "A variable of libpq's"
  return new RmbgError(error.code, error.message, {
    hint: `${variable} names ${location}: run rmbg migrate once, or set DATABASE_URL=${embeddedDatabase} for the embedded database.`,
    cause: error,
  })
}

async function databaseExists({ databaseUrl, home }: ResolvedSettings): Promise<boolean> {
  if (databaseUrl !== undefined) return true
  const { embeddedExists } = await import('./database/embedded-cluster.ts')
  return embeddedExists(databaseFolder(home))
}

async function openDatabaseNamed(
  drivers: Drivers,
  name: string,
  locale: DatabaseLocale | undefined,
): Promise<Database> {
  const { databaseUrl, databaseDirectUrl, databaseConnections: maxConnections, onDatabase } = drivers
  if (databaseUrl === undefined) {
    throw new RmbgError('USAGE', 'Only databases of a server have names, and DATABASE_URL is not set.')
  }
  const base = await openDatabase({ ...drivers, onDatabase: () => {} }, { migrated: false })
  try {
    if (base.kind === 'server') await (await base.direct('A restore')).close()
  } finally {
    await base.close()
  }
  const { connectServer, ensureDatabase } = await import('./database/connect.ts')
  const named = connectServer(await ensureDatabase(databaseDirectUrl ?? databaseUrl, name, locale), {
    maxConnections,
    isDirect: true,
  })
  onDatabase(named)
  return named
}

async function openCache(
  settings: ResolvedSettings,
  database: () => Promise<Database>,
  onWarning: (message: string) => void,
): Promise<Cache> {
  const { redisUrl: url, cacheTtl: ttlSeconds, s3Bucket, home } = settings
  if (url === undefined) return (await import('./cache/none.ts')).noCache
  const { redisCache } = await import('./cache/redis.ts')
  const scope = async () => `${(await database()).location} ${s3Bucket ?? home}`
  return redisCache({ url, scope, ttlSeconds, onWarning })
}

async function openModel(
  { threads, device, home }: ResolvedSettings,
  spec: () => Promise<ModelSpec>,
  { tell }: Waiting,
): Promise<MatteModel> {
  const { openTriedModel } = await import('./model/tried.ts')
  return openTriedModel(await spec(), { threads, device, tell, modelsFolder: modelsFolder(home) })
}

/** Per kind of object; undefined where no bucket is set. */
const bucketNames = (settings: ResolvedSettings): Record<ObjectKind, string | undefined> => ({
  original: settings.s3BucketOriginal ?? settings.s3Bucket,
  mask: settings.s3BucketMask ?? settings.s3Bucket,
  processed: settings.s3BucketProcessed ?? settings.s3Bucket,
})

/** Where the objects of each kind are. */
type Places = Record<ObjectKind, ObjectStore>

async function openPlaces(settings: Drivers): Promise<Places> {
  const { original, mask, processed } = bucketNames(settings)
  if (original === undefined && mask === undefined && processed === undefined) {
    const { directoryStore } = await import('./store/directory.ts')
    const folder = directoryStore(storeFolder(settings.home))
    return { original: folder, mask: folder, processed: folder }
  }
  if (original === undefined) throw noBucketFor('original')
  if (mask === undefined) throw noBucketFor('mask')
  if (processed === undefined) throw noBucketFor('processed')
  const { s3Store } = await import('./store/s3/index.ts')
  const open = (bucket: string): ObjectStore => s3Store({ ...objectOptions(settings), bucket })
  const stores = new Map([original, mask, processed].map((bucket) => [bucket, open(bucket)]))
  return { original: stores.get(original)!, mask: stores.get(mask)!, processed: stores.get(processed)! }
}

async function storeOf(places: Places): Promise<ObjectStore> {
  const [only, ...others] = new Set(Object.values(places))
  if (only !== undefined && others.length === 0) return only
  const { routedStore } = await import('./store/routed.ts')
  return routedStore(places)
}

async function assertOwnPlaces(
  places: readonly ObjectStore[],
  database: Database,
  options: OwnershipOptions,
): Promise<void> {
  const { installationOf } = await import('./database/installation.ts')
  const { assertOwner } = await import('./store/owner.ts')
  const { copiedFrom, ...self } = await installationOf(database)
  // Whoever moves or copies RMBG_HOME takes the folder store along, and the database in there is the only one of it.
  const sharesHome = database.kind === 'embedded' && places.every(({ bucket }) => bucket === undefined)
  const heirOf = (sharesHome && copiedFrom) || undefined
  for (const place of new Set(places)) await assertOwner(place, self, { ...options, heirOf })
}

/** What the keys of this store's objects in a bucket begin with; none where it is no bucket of the store. */
const ownPrefixes = (settings: Drivers, name: string): string[] =>
  objectKinds
    .filter((kind) => bucketNames(settings)[kind] === name)
    .map((kind) => `${settings.s3Prefix ?? ''}${kind}/`)

/** @throws RmbgError REFUSED */
function assertNoStore(settings: Drivers, name: string, prefix: string): void {
  const ours = ownPrefixes(settings, name).find((own) => own.startsWith(prefix) || prefix.startsWith(own))
  if (ours === undefined) return
  throw new RmbgError('REFUSED', `s3://${name}/${prefix} holds the objects of this store (${ours}).`, {
    hint: 'Name the prefix of the pictures. To make new cut-outs of stored originals, use --from-mask.',
  })
}

async function openInputBucket(settings: Drivers, name: string): Promise<InputBucket> {
  const { s3InputBucket } = await import('./store/s3/input.ts')
  return s3InputBucket({ ...s3Options(settings), bucket: name })
}

async function openOutputBucket(settings: Drivers, name: string, prefix: string): Promise<OutputBucket> {
  const [, vault, path = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(settings.backupTo ?? '') ?? []
  const taken = [...ownPrefixes(settings, name), ...(vault === name ? [path] : [])]
  const ours = taken.find((own) => own.startsWith(prefix) || prefix.startsWith(own))
  if (ours !== undefined) {
    throw new RmbgError(
      'REFUSED',
      `--output s3://${name}/${prefix} is where the store itself lies (${ours}).`,
      {
        hint: 'Choose another prefix, such as cutouts/.',
      },
    )
  }
  const { s3OutputBucket } = await import('./store/s3/output.ts')
  const bucket = s3OutputBucket({ ...s3Options(settings), bucket: name })
  try {
    const marker = await bucket.look(`${prefix}rmbg-owner.json`)
    if (!marker) return bucket
  } catch (error) {
    await bucket.close()
    throw error
  }
  await bucket.close()
  throw new RmbgError('REFUSED', `--output s3://${name}/${prefix} is a store of rmbg.`, {
    hint: 'Choose another prefix, such as cutouts/.',
  })
}

const noBucketFor = (kind: ObjectKind): RmbgError =>
  new RmbgError('CONFIG_INVALID', `No bucket is set for ${kind} objects.`, {
    hint: `Set S3_BUCKET for all kinds, or S3_BUCKET_${kind.toUpperCase()}.`,
  })

function bucketsOf(settings: Drivers): S3Options[] {
  const names = new Set(Object.values(bucketNames(settings)))
  return [...names].flatMap((bucket) =>
    bucket === undefined ? [] : [{ ...objectOptions(settings), bucket }],
  )
}

function backupLocation({ backupTo }: ResolvedSettings): string {
  if (backupTo !== undefined) return backupTo
  throw new RmbgError('USAGE', 'No backup location.', {
    hint: `Name a folder or s3://bucket/prefix, or set ${environmentVariable('backupTo')}.`,
  })
}

/** A folder, or a prefix of a bucket, that is not the object store. */
async function openPlace(settings: Drivers, location: string): Promise<Place> {
  const [, bucket, path = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(location) ?? []
  if (bucket === undefined) {
    const { directoryStore } = await import('./store/directory.ts')
    const folder = resolve(location)
    return { store: directoryStore(folder), location: folder }
  }
  const { s3Store } = await import('./store/s3/index.ts')
  const prefix = path === '' || path.endsWith('/') ? path : `${path}/`
  const store = s3Store({ ...s3Options(settings), bucket, prefix })
  return { store, location: `s3://${bucket}/${prefix}` }
}

/** Of the buckets for objects. Backups may be in the same, with a prefix of their own. */
function objectOptions(settings: Drivers): Omit<S3Options, 'bucket'> {
  const { s3Prefix } = settings
  return { ...s3Options(settings), ...(s3Prefix !== undefined && { prefix: s3Prefix }) }
}

function s3Options(settings: Drivers): Omit<S3Options, 'bucket'> {
  const { s3Endpoint, s3Region, s3ForcePathStyle, s3Checksums, patiences } = settings
  return {
    patience: patiences.store,
    ...(s3Endpoint !== undefined && { endpoint: s3Endpoint }),
    ...(s3Region !== undefined && { region: s3Region }),
    ...(s3ForcePathStyle !== undefined && { forcePathStyle: s3ForcePathStyle }),
    ...(s3Checksums !== undefined && { checksums: s3Checksums }),
  }
}
