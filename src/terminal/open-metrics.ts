import { Counter, Gauge, Registry, type RegistryContentType } from 'prom-client'
import type { HealthCheck, Metric } from '../database/health/contract.ts'
import { healthStatus } from './exit.ts'

/**
 * OpenMetrics 1.0 text, which ends in a line `# EOF`. As comments and samples, the text collector of the node exporter
 * and older releases of Prometheus read it too.
 *
 * @see https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
 */
export async function openMetrics(checks: readonly HealthCheck[]): Promise<string> {
  const registry: Registry<RegistryContentType> = new Registry()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  const levels: Metric[] = checks.map(({ name, level }) => ({
    ...{ name: 'rmbg_health_level', value: healthStatus(level, { monitor: true }), labels: { check: name } },
    help: '0 is OK, 1 WARN, 2 CRIT, 3 UNKNOWN.',
  }))
  const families = new Map<string, [Metric, ...Metric[]]>()
  for (const metric of [...levels, ...checks.flatMap(({ metrics }) => metrics)]) {
    const family = families.get(metric.name)
    if (family) family.push(metric)
    else families.set(metric.name, [metric])
  }
  for (const [name, metrics] of families) register(registry, name, metrics)
  return registry.metrics()
}

function register(
  registry: Registry<RegistryContentType>,
  name: string,
  metrics: readonly [Metric, ...Metric[]],
): void {
  const [{ help, labels = {} }] = metrics
  const family = { name, help, labelNames: Object.keys(labels), registers: [registry] }
  if (name.endsWith('_total')) {
    const counter = new Counter(family)
    // Without a value prom-client counts one up.
    for (const { value, labels = {} } of metrics) counter.inc(labels, value)
    return
  }
  const gauge = new Gauge(family)
  for (const { value, labels = {} } of metrics) gauge.set(labels, value)
}
