import { sizeText } from '../../bytes.ts'
import type { CacheFigures, CacheMemory } from '../../cache/contract.ts'
import { type HealthCheck, type HealthLevel, worst } from '../../database/health/contract.ts'
import type { Judge } from '../../database/health/thresholds.ts'

/** A few entries of some KB for each minute: more would not make more answers come from it. */
const plentyBytes = 2e9

/** What the cache does, as one more check of the health; none where no cache is set up. */
export function cacheCheck(figures: CacheFigures | undefined, judge: Judge): HealthCheck[] {
  if (!figures) return []
  const name = 'redis-cache'
  const up = {
    name: 'rmbg_cache_up',
    value: Number(figures.state === 'up'),
    help: '1 while Redis answers.',
  }
  if (figures.state === 'down') {
    const summary = `Redis is not used: ${figures.reason}. Answers come from the database.`
    return [{ name, level: 'warn', summary, details: ['Look at REDIS_URL and at Redis.'], metrics: [up] }]
  }
  const { hits, misses, memory } = figures
  const asked = hits + misses
  const problems = memory ? memoryProblems(memory, judge) : []
  return [
    {
      name,
      level: worst(problems.map(([level]) => level)),
      summary:
        asked === 0
          ? 'Nothing was asked of the cache yet.'
          : `${hits} of ${asked} answers came from the cache (${((100 * hits) / asked).toFixed(0)}%).`,
      details: problems.map(([, problem]) => problem),
      metrics: [
        up,
        { name: 'rmbg_cache_hits_total', value: hits, help: 'Answers that came from Redis.' },
        { name: 'rmbg_cache_misses_total', value: misses, help: 'Answers that had to be made.' },
        ...(memory
          ? [
              { name: 'rmbg_cache_memory_bytes', value: memory.used, help: 'Memory that Redis uses.' },
              {
                ...{ name: 'rmbg_cache_memory_limit_bytes', value: memory.most },
                help: 'maxmemory of Redis; 0 is no limit.',
              },
            ]
          : []),
      ],
    },
  ]
}

/** Every entry of this program ends by itself, so a policy that removes only such entries spares what others keep. */
function memoryProblems({ used, most, policy, ofMachine }: CacheMemory, judge: Judge) {
  const limit = Math.min(plentyBytes, ofMachine > 0 ? ofMachine / 4 : plentyBytes)
  const setting = `maxmemory ${Math.round(limit / 2 ** 20)}mb`
  const problems: (readonly [HealthLevel, string])[] = []
  if (most === 0) {
    problems.push([
      'warn',
      `Redis has no maxmemory, and takes what it can get (now ${sizeText(used)}): ${setting}, maxmemory-policy volatile-lru`,
    ])
  } else {
    const level = judge('redis-memory', (100 * used) / most)
    if (ofMachine > 0 && most > 0.75 * ofMachine) {
      problems.push([
        'warn',
        `maxmemory is ${sizeText(most)} of the ${sizeText(ofMachine)} that its machine has: ${setting}`,
      ])
    }
    if (policy === 'noeviction') {
      problems.push([
        'warn',
        'maxmemory-policy is noeviction: once Redis is full, no answer is cached any more. volatile-lru makes room',
      ])
    } else if (level !== 'ok') {
      problems.push([
        level,
        `Redis uses ${sizeText(used)} of ${sizeText(most)}: answers go before their time`,
      ])
    }
  }
  return problems
}
