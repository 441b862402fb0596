/** Figures of a running server, for Prometheus, and what those of others have in common with them. */
import { Counter, Gauge, Histogram, type OpenMetricsContentType, Registry } from 'prom-client'
import type { ImageEvent } from '../process/events.ts'

export type Figures = Registry<OpenMetricsContentType>

export function openRegistry(): Figures {
  const registry = new Registry<OpenMetricsContentType>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  return registry
}

/** @returns counts an image by what became of it */
export function imageCounter(registry: Figures, name: string): (event: ImageEvent) => void {
  const images = new Counter({
    ...{ name, help: 'Pictures by what became of them.', registers: [registry] },
    labelNames: ['status', 'code'] as const,
  })
  return (event) => images.inc({ status: event.status, code: event.status === 'failed' ? event.code : '' })
}

/** A figure that is looked up when somebody asks; undefined: there is none. */
export function loadGauge(
  registry: Figures,
  name: string,
  help: string,
  value: () => number | undefined,
): void {
  new Gauge({
    ...{ name, help, registers: [registry] },
    collect() {
      const now = value()
      if (now === undefined) this.remove()
      else this.set(now)
    },
  })
}

/** @param load how many pictures are in work and waiting, now */
export function openMetrics(load: () => { inWork: number; waiting: number }) {
  const registry = openRegistry()
  const registers = [registry]
  const count = imageCounter(registry, 'rmbg_server_images')
  const seconds = new Histogram({
    ...{
      name: 'rmbg_server_request_seconds',
      help: 'From the first byte asked to the last answered.',
      registers,
    },
    buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
  })
  const refused = new Counter({
    ...{ name: 'rmbg_server_refused', help: 'Requests that were not taken, by reason.', registers },
    labelNames: ['reason'] as const,
  })
  loadGauge(registry, 'rmbg_server_images_in_work', 'Pictures in work.', () => load().inWork)
  loadGauge(
    registry,
    'rmbg_server_images_waiting',
    'Pictures that wait for their turn.',
    () => load().waiting,
  )
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    count,
    refuse: (reason: 'busy' | 'forbidden' | 'usage') => refused.inc({ reason }),
    time: () => seconds.startTimer(),
  }
}
