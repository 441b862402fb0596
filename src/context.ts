import { resolve } from 'node:path'
import type { Vault } from './backup/vault.ts'
import type { Cache } from './cache/contract.ts'
import type { Database } from './database/connect.ts'
import type { MatteModel, ModelSpec } from './model/contract.ts'
import type { ResolvedSettings } from './settings/settings.ts'
import { databaseFolder, modelsFolder, storeFolder } from './settings/settings.ts'
import type { ObjectKind, ObjectStore } from './store/contract.ts'
import { objectKinds } from './store/contract.ts'
import type { S3Options } from './store/s3/index.ts'

/** What a command works with. Everything opens on first use, once, and closes in reverse order. */
export interface Context {
  store(): Promise<ObjectStore>
  /** The database, migrated: an embedded one migrates itself, a server that lacks migrations is refused. */
  database(): Promise<Database>
  /**
   * The bucket or folder that backups are kept in.
   *
   * @param location a folder, or `s3://bucket/prefix` on the same server as the object store
   */
  vault(location: string): Promise<Vault>
  /** Redis, or nothing at all; it warns through `onWarning` when it cannot be used. */
  cache(onWarning: (message: string) => void): Promise<Cache>
  /** Finds and checks the model file without loading it. */
  modelSpec(): Promise<ModelSpec>
  model(): Promise<MatteModel>
  close(): Promise<void>
}

/** The only place that chooses drivers; each is imported when it is first needed. */
export function openContext(settings: ResolvedSettings): Context {
  const closers: (() => Promise<void>)[] = []
  const lazily = <T>(open: () => Promise<T>, close?: (value: T) => Promise<void>): (() => Promise<T>) => {
    let opened: Promise<T> | undefined
    return () => {
      if (!opened) {
        const opening = open()
        opened = opening
        // Also what is still being opened is waited for and closed; a failure to open was told already.
        if (close) closers.push(() => opening.then(close, () => {}))
      }
      return opened
    }
  }

  const store = lazily(
    () => openStore(settings),
    (value) => value.close(),
  )
  const database = lazily(
    async () => {
      if (settings.databaseUrl) {
        const { connectServer } = await import('./database/connect.ts')
        const { assertMigrated } = await import('./database/migrate.ts')
        const server = connectServer(settings.databaseUrl)
        try {
          await assertMigrated(server.sql)
        } catch (error) {
          await server.close()
          throw error
        }
        return server
      }
      const { openEmbedded } = await import('./database/embedded.ts')
      return openEmbedded(databaseFolder(settings.home))
    },
    (value) => value.close(),
  )
  let warn = (_message: string): void => {}
  const cache = lazily(
    async () => {
      if (settings.redisUrl === undefined) return (await import('./cache/none.ts')).noCache
      const { redisCache } = await import('./cache/redis.ts')
      const scope = `${(await database()).location} ${settings.s3Bucket ?? settings.home}`
      const { redisUrl: url, cacheTtl: ttlSeconds } = settings
      return redisCache({ url, scope, ttlSeconds, onWarning: (message) => warn(message) })
    },
    (value) => value.close(),
  )
  const modelSpec = lazily(async () => {
    const { resolveModel } = await import('./model/shelf/registry.ts')
    return resolveModel(settings.model, { modelsFolder: modelsFolder(settings.home) })
  })
  const model = lazily(
    async () => {
      const { openModel } = await import('./model/session.ts')
      return openModel(await modelSpec(), { threads: settings.threads, device: settings.device })
    },
    (value) => value.close(),
  )

  return {
    store,
    database,
    vault: async (location) => {
      const vault = await openVault(settings, location)
      closers.push(() => vault.store.close())
      return vault
    },
    cache: (onWarning) => {
      warn = onWarning
      return cache()
    },
    modelSpec,
    model,
    close: async () => {
      for (const close of closers.splice(0).reverse()) await close()
    },
  }
}

async function openStore(settings: ResolvedSettings): Promise<ObjectStore> {
  const buckets: Record<ObjectKind, string | undefined> = {
    original: settings.s3BucketOriginal ?? settings.s3Bucket,
    mask: settings.s3BucketMask ?? settings.s3Bucket,
    processed: settings.s3BucketProcessed ?? settings.s3Bucket,
  }
  if (Object.values(buckets).every((bucket) => bucket === undefined)) {
    const { directoryStore } = await import('./store/directory.ts')
    return directoryStore(storeFolder(settings.home))
  }
  const { s3Store } = await import('./store/s3/index.ts')
  const open = (bucket: string | undefined): ObjectStore =>
    s3Store({ ...s3Options(settings), bucket: bucket! })
  if (new Set(Object.values(buckets)).size === 1) return open(buckets.original)
  const { routedStore } = await import('./store/routed.ts')
  const missing = objectKinds.find((kind) => buckets[kind] === undefined)
  if (missing) {
    const { RmbgError } = await import('./errors.ts')
    throw new RmbgError('CONFIG_INVALID', `No bucket is set for ${missing} objects.`, {
      hint: `Set S3_BUCKET for all kinds, or S3_BUCKET_${missing.toUpperCase()}.`,
    })
  }
  return routedStore({
    original: open(buckets.original),
    mask: open(buckets.mask),
    processed: open(buckets.processed),
  })
}

async function openVault(settings: ResolvedSettings, location: string): Promise<Vault> {
  const [, bucket, path = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(location) ?? []
  if (bucket === undefined) {
    const { directoryStore } = await import('./store/directory.ts')
    const folder = resolve(location)
    return { store: directoryStore(folder), prefix: '', location: folder }
  }
  const { s3Store } = await import('./store/s3/index.ts')
  const prefix = path === '' || path.endsWith('/') ? path : `${path}/`
  return { store: s3Store({ ...s3Options(settings), bucket }), prefix, location: `s3://${bucket}/${prefix}` }
}

/** The buckets of the object store, each once. */
export function bucketsOf(settings: ResolvedSettings): S3Options[] {
  const { s3Bucket, s3BucketOriginal, s3BucketMask, s3BucketProcessed } = settings
  const names = [s3BucketOriginal ?? s3Bucket, s3BucketMask ?? s3Bucket, s3BucketProcessed ?? s3Bucket]
  return [...new Set(names)].flatMap((bucket) =>
    bucket === undefined ? [] : [{ ...s3Options(settings), bucket }],
  )
}

function s3Options(settings: ResolvedSettings) {
  const {
    s3Endpoint: endpoint,
    s3Region: region,
    s3ForcePathStyle: forcePathStyle,
    s3Checksums: checksums,
  } = settings
  return {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(forcePathStyle !== undefined && { forcePathStyle }),
    ...(checksums !== undefined && { checksums }),
  }
}
