/** Figures of a running server, for Prometheus. */
import { Counter, Gauge, Histogram, type OpenMetricsContentType, Registry } from 'prom-client'
import type { ImageEvent } from '../process/events.ts'

/** @param load how many pictures are in work and waiting, now */
export function openMetrics(load: () => { inWork: number; waiting: number }) {
  const registry = new Registry<OpenMetricsContentType>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  const registers = [registry]
  const images = new Counter({
    ...{ name: 'rmbg_server_images', help: 'Pictures by what became of them.', registers },
    labelNames: ['status', 'code'] as const,
  })
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
  new Gauge({
    ...{ name: 'rmbg_server_images_in_work', help: 'Pictures in work.', registers },
    collect() {
      this.set(load().inWork)
    },
  })
  new Gauge({
    ...{ name: 'rmbg_server_images_waiting', help: 'Pictures that wait for their turn.', registers },
    collect() {
      this.set(load().waiting)
    },
  })
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    count: (event: ImageEvent) =>
      images.inc({ status: event.status, code: event.status === 'failed' ? event.code : '' }),
    refuse: (reason: 'busy' | 'forbidden' | 'usage') => refused.inc({ reason }),
    time: () => seconds.startTimer(),
  }
}
