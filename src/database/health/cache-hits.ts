import { one } from '../rows.ts'
import { utc } from '../sql-time.ts'
import { fine, type Look } from './contract.ts'
import { type Counts, sinceLast } from './last-look.ts'
import { duration } from './words.ts'

/** With fewer blocks read than this a ratio says nothing. */
const enoughBlocks = 10_000
/** The first blocks after a pause come from disk: a moment tells little as well. */
const enoughSeconds = 60
/** Looks that follow each other closely add up, for as long as this. */
const oldestLookSeconds = 24 * 3600

export const cacheHits: Look = {
  name: 'cache-hits',
  look: async ({ sql, judge, blocks }) => {
    const now = one(
      await sql<Counts[]>`
        select ${utc(sql, sql`now()`)} as at, blks_hit::float8 as hit, blks_read::float8 as read,
          stats_reset::text as since
        from pg_stat_database where datname = current_database()`,
    )
    const all = now.hit + now.read
    const recent = sinceLast(now, await blocks?.last())
    const isEnough = recent !== undefined && recent.all >= enoughBlocks && recent.seconds >= enoughSeconds
    if (!recent || isEnough || recent.seconds > oldestLookSeconds) await blocks?.keep(now)
    if (all < enoughBlocks)
      return fine(`Too few blocks were read yet (${all}) to tell how often they were cached.`)
    const lifetime = (100 * now.hit) / all
    const share = isEnough ? (100 * recent.hit) / recent.all : lifetime
    const level = judge('cache-hits', share)
    const began = now.since === null ? 'counting began' : now.since.slice(0, 16)
    return {
      level,
      summary: isEnough
        ? `${share.toFixed(1)}% of ${recent.all.toLocaleString('en')} blocks came from shared_buffers in the last ${duration(recent.seconds)}; ${lifetime.toFixed(1)}% since ${began}.`
        : `${share.toFixed(1)}% of ${all.toLocaleString('en')} blocks came from shared_buffers since ${began}.`,
      details: [
        ...(isEnough ? [] : ['Too few were read since the last look to tell of that time alone.']),
        ...(level === 'ok' ? [] : ['Raise shared_buffers, or look for queries that read whole tables.']),
      ],
      metrics: [
        {
          ...{ name: 'rmbg_cache_hit_ratio', value: now.hit / all },
          help: 'Blocks found in shared_buffers, of all, since the counters began.',
        },
        ...(isEnough
          ? [
              {
                ...{ name: 'rmbg_recent_cache_hit_ratio', value: recent.hit / recent.all },
                help: 'The same since the last look.',
              },
            ]
          : []),
        { name: 'rmbg_blocks_hit_total', value: now.hit, help: 'Blocks found in shared_buffers.' },
        { name: 'rmbg_blocks_read_total', value: now.read, help: 'Blocks asked of the system.' },
      ],
    }
  },
}
