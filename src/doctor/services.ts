/** What a run writes to: the database, the object store, the cache. Everything is only read. */
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import type { Context } from '../context.ts'
import { RmbgError } from '../errors.ts'
import { type ResolvedSettings, storeFolder } from '../settings/settings.ts'
import { type Finding, failed, ok } from './finding.ts'

export async function examineDatabase(context: Context): Promise<Finding> {
  const name = 'database'
  try {
    if (!(await context.databaseExists())) {
      return ok(name, 'The embedded database is not there yet; the first run creates it.')
    }
    const database = await context.database({ migrated: false })
    const { planMigrations } = await import('../database/migrate.ts')
    const { pending } = await planMigrations(database.sql)
    if (pending.length === 0) return ok(name, `The ${database.location} answers and is up to date.`)
    const summary = `The ${database.location} lacks ${pending.length} of this program's migrations.`
    if (database.kind === 'embedded') return ok(name, `${summary} The next run applies them.`)
    return { name, level: 'crit', summary, remedy: 'Run rmbg migrate once, with the same DATABASE_URL.' }
  } catch (error) {
    // Another run is at work: that shows that it works.
    if (error instanceof RmbgError && error.code === 'DATABASE_LOCKED') return ok(name, error.message)
    return failed(name, error)
  }
}

export async function examineStore(context: Context, { home }: ResolvedSettings): Promise<Finding> {
  const name = 'store'
  try {
    if (context.buckets().length === 0) return await examineFolder(name, storeFolder(home))
    const store = await context.store()
    await store.check()
    return ok(name, `${store.location} answers.`)
  } catch (error) {
    return failed(name, error)
  }
}

/** The store's own check would make the folder. */
async function examineFolder(name: string, folder: string): Promise<Finding> {
  const denied = await access(folder, constants.W_OK).then(
    () => undefined,
    ({ code }: NodeJS.ErrnoException) => code,
  )
  if (denied === undefined) return ok(name, `The folder ${folder}.`)
  if (denied === 'ENOENT') return ok(name, `The folder ${folder} is not there yet; the first run creates it.`)
  const remedy = 'Make it writable, or set S3_BUCKET to keep objects in a bucket.'
  return { name, level: 'crit', summary: `The folder ${folder} may not be written to (${denied}).`, remedy }
}

export async function examineCache({
  redisUrl: url,
  cacheTtl: ttlSeconds,
}: ResolvedSettings): Promise<Finding> {
  const name = 'cache'
  if (url === undefined) return ok(name, 'None is set; statistics come from the database.')
  let warning: string | undefined
  try {
    const { redisCache } = await import('../cache/redis.ts')
    const onWarning = (message: string) => {
      warning = message
    }
    const cache = redisCache({ url, scope: async () => 'doctor', ttlSeconds, onWarning })
    await cache.figures()
    await cache.close()
  } catch (error) {
    return failed(name, error)
  }
  if (warning === undefined) return ok(name, `Redis at ${new URL(url).host} answers.`)
  return { name, level: 'warn', summary: warning, remedy: 'Start Redis, or unset REDIS_URL.' }
}
