import type { CacheFigures } from '../../cache/contract.ts'
import { type HealthCheck, type HealthLevel, type Metric, worst } from '../../database/health/contract.ts'
import { outputColors as colors } from '../colors.ts'
import { healthStatus } from '../exit.ts'
import { printable } from '../printable.ts'

const shown: Record<HealthLevel, string> = {
  ok: colors.green('OK     '),
  warn: colors.yellow('WARN   '),
  crit: colors.red('CRIT   '),
  unknown: colors.dim('UNKNOWN'),
}

export const overallLevel = (checks: readonly HealthCheck[]): HealthLevel =>
  worst(checks.map(({ level }) => level))

/** A line per check, with what to do below those that are not well. */
export function healthText(checks: readonly HealthCheck[]): string {
  return checks
    .flatMap(({ name, level, summary, details, grant }) => [
      `${shown[level]}  ${name.padEnd(14)}${printable(summary)}`,
      ...(level !== 'ok' ? details.map((detail) => `${' '.repeat(23)}${printable(detail)}`) : []),
      ...(grant === undefined ? [] : [`${' '.repeat(23)}Shown in full after: ${printable(grant)}`]),
    ])
    .join('\n')
}

/** What the cache did, as one more check. */
export function cacheCheck(figures: CacheFigures | undefined): HealthCheck[] {
  if (!figures) return []
  const { hits, misses } = figures
  const asked = hits + misses
  return [
    {
      name: 'redis-cache',
      level: 'ok',
      summary:
        asked === 0
          ? 'Nothing was asked of the cache yet.'
          : `${hits} of ${asked} answers came from the cache (${((100 * hits) / asked).toFixed(0)}%).`,
      details: [],
      metrics: [
        { name: 'rmbg_cache_hits_total', value: hits, help: 'Answers that came from Redis.' },
        { name: 'rmbg_cache_misses_total', value: misses, help: 'Answers that had to be made.' },
      ],
    },
  ]
}

const label = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

/** OpenMetrics 1.0 text: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md */
export function openMetrics(checks: readonly HealthCheck[]): string {
  const levels: Metric[] = checks.map(({ name, level }) => ({
    name: 'rmbg_health_level',
    value: healthStatus(level, { monitor: true }),
    labels: { check: name },
    help: '0 is OK, 1 WARN, 2 CRIT, 3 UNKNOWN.',
  }))
  const families = new Map<string, Metric[]>()
  for (const metric of [...levels, ...checks.flatMap(({ metrics }) => metrics)]) {
    families.set(metric.name, [...(families.get(metric.name) ?? []), metric])
  }
  const lines = [...families].flatMap(([name, metrics]) => {
    // A counter's samples end in _total, its family's name does not.
    const isCounter = name.endsWith('_total')
    const family = isCounter ? name.slice(0, -'_total'.length) : name
    return [
      `# TYPE ${family} ${isCounter ? 'counter' : 'gauge'}`,
      `# HELP ${family} ${metrics[0]!.help}`,
      ...metrics.map(({ value, labels = {} }) => {
        const pairs = Object.entries(labels).map(([key, text]) => `${key}="${label(text)}"`)
        return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`
      }),
    ]
  })
  return `${lines.join('\n')}\n# EOF`
}
