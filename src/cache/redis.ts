import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { RmbgError } from '../errors.ts'
import { once } from '../once.ts'
import { sha256Of } from '../system/sha256.ts'
import type { Cache, CacheMemory } from './contract.ts'

export interface RedisOptions {
  /** `redis://` or `rediss://`, with user and password where there are any. */
  url: string
  /**
   * Whose answers these are: databases that share a Redis do not see each other's. Where it fails, as with a database that
   * is down, `figures` still tells how Redis stands.
   */
  scope: () => Promise<string>
  ttlSeconds: number
  /** Told once, when Redis is down or slow; from then on this process does without it. */
  onWarning: (message: string) => void
}

/** A cache that answers later than this is slower than what it caches. */
const connectMs = 1000
const answerMs = 250

/**
 * A Redis as cache. Entries end by themselves after `ttlSeconds`.
 *
 * @throws RmbgError CONFIG_INVALID when the URL is none of Redis
 */
export function redisCache({ url, scope, ttlSeconds, onWarning }: RedisOptions): Cache {
  if (!URL.canParse(url) || !/^rediss?:$/.test(new URL(url).protocol)) {
    throw new RmbgError('CONFIG_INVALID', 'REDIS_URL is not a Redis URL.', {
      hint: 'It looks like redis://:password@host:6379/0.',
    })
  }
  const prefix = once(async () => `rmbg:${sha256Of(await scope()).slice(0, 12)}:`)
  const client = createClient({
    url,
    disableOfflineQueue: true,
    socket: { connectTimeout: connectMs, reconnectStrategy: false },
  })
  let isUsable = true
  let reason = ''
  const giveUp = (error: unknown) => {
    if (!isUsable) return
    isUsable = false
    // Nothing but the host: the URL may hold a password, and so may what a server says about it.
    const { code } = error as NodeJS.ErrnoException
    reason = error instanceof TooSlow ? 'it does not answer in time' : (code ?? 'it refused')
    onWarning(`The cache at ${new URL(url).host} is not used: ${reason}. Answers come from the database.`)
    client.destroy()
  }
  client.on('error', giveUp)
  let connecting: Promise<unknown> | undefined
  const ask = async <T>(question: () => Promise<T>): Promise<T | undefined> => {
    if (!isUsable) return undefined
    try {
      connecting ??= client.connect()
      await inTime(connecting, connectMs)
      return await inTime(question(), answerMs)
    } catch (error) {
      giveUp(error)
      return undefined
    }
  }

  return {
    remember: async (key, version, make) => {
      const own = await prefix()
      const entry = parseEntry(await ask(() => client.get(own + key)))
      if (entry?.version === version) {
        await ask(() => client.incr(`${own}hits`))
        return entry.value as Awaited<ReturnType<typeof make>>
      }
      const value = await make()
      await ask(() =>
        client
          .multi()
          .incr(`${own}misses`)
          .set(own + key, JSON.stringify({ version, value }), {
            expiration: { type: 'EX', value: ttlSeconds },
          })
          .exec(),
      )
      return value
    },
    figures: async () => {
      const own = await prefix().catch(() => undefined)
      const counted = own && (await ask(() => client.mGet([`${own}hits`, `${own}misses`])))
      // A user that may not ask has no figures, and a cache all the same.
      const info = await ask(() => client.info('memory').catch(() => ''))
      if (!isUsable) return { state: 'down', reason: reason }
      const [hits, misses] = counted || []
      return {
        ...{ state: 'up', hits: Number(hits ?? 0), misses: Number(misses ?? 0) },
        memory: parseMemory(info ?? ''),
      }
    },
    close: async () => {
      if (!connecting || !isUsable) return
      await inTime(client.close(), answerMs).catch(() => client.destroy())
    },
  }
}

/** @param info as INFO gives it: a line for each `name:value` */
function parseMemory(info: string): CacheMemory | undefined {
  const lines = new Map(info.split(/\r?\n/).map((line) => line.split(':', 2) as [string, string]))
  const [used, most] = [lines.get('used_memory'), lines.get('maxmemory')]
  if (used === undefined || most === undefined) return undefined
  return {
    ...{ used: Number(used), most: Number(most) },
    policy: lines.get('maxmemory_policy') ?? 'noeviction',
    ofMachine: Number(lines.get('total_system_memory') ?? 0),
  }
}

/** @returns nothing for what we cannot have written */
function parseEntry(kept: string | null | undefined): { version: string; value: unknown } | undefined {
  try {
    const entry = JSON.parse(kept ?? 'null')
    return entry && typeof entry === 'object' && 'value' in entry ? entry : undefined
  } catch {
    return undefined
  }
}

class TooSlow extends Error {}

async function inTime<T>(answer: Promise<T>, milliseconds: number): Promise<T> {
  const timer = new AbortController()
  const late = sleep(milliseconds, undefined, { signal: timer.signal }).then(() => {
    throw new TooSlow()
  })
  late.catch(() => {})
  try {
    return await Promise.race([answer, late])
  } finally {
    timer.abort()
  }
}
