/** Figures of a process that takes its work from a queue, for Prometheus. */
import { Counter, collectDefaultMetrics, Gauge, Histogram } from 'prom-client'
import type { Matte } from '../model/contract.ts'
import type { Masks } from '../process/contract.ts'
import type { BatchEvent, CompletedEvent } from '../process/events.ts'
import { type Figures, imageCounter, loadGauge, openRegistry } from '../server/metrics.ts'

/** How a message of the queue ended: its work is done, it is given up, or it goes back for another try. */
export type Settlement = 'complete' | 'fail' | 'release'

/** Messages by their state, such as `{ waiting: 120, active: 8, dead: 0 }`. */
export type QueueDepth = Readonly<Record<string, number>>

export interface WorkerFigures {
  registry: Figures
  /** Counts images, their bytes and the seconds of their stages. */
  tell(event: BatchEvent): void
  /** Counts an error that is of no single image, by its code. */
  countError(code: string): void
  countMessage(settlement: Settlement): void
  /** The same masks; how long the model is busy is counted. */
  measured(masks: Masks): Masks
}

export interface WorkerLoad {
  /** Pictures. */
  inWork: number
  /** Of originals; absent where nobody counts them. */
  heldBytes?: number
}

/** Milliseconds to wait for the depth of a queue: who asks for figures waits for seconds only. */
const depthPatienceMs = 2000

/**
 * @param depth asked when figures are; while it cannot be told, the figure is absent rather than wrong
 */
export function openWorkerFigures(
  load: () => WorkerLoad,
  depth: (() => Promise<QueueDepth>) | undefined,
): WorkerFigures {
  const registry = openRegistry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const countImage = imageCounter(registry, 'rmbg_worker_images')
  const bytes = new Counter({
    ...{ name: 'rmbg_worker_bytes', help: 'Bytes of originals read, and of objects stored.', registers },
    labelNames: ['direction'] as const,
  })
  const stages = new Histogram({
    ...{ name: 'rmbg_worker_stage_seconds', help: 'Work on a picture, stage by stage.', registers },
    labelNames: ['stage'] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  })
  const busy = new Counter({
    ...{ name: 'rmbg_worker_model_busy_seconds', registers },
    help: 'Seconds in which the model worked: its rate is the utilisation of the model, 0 to 1.',
  })
  const errors = new Counter({
    ...{ name: 'rmbg_worker_errors', help: 'Errors that are of no single picture, by code.', registers },
    labelNames: ['code'] as const,
  })
  const messages = new Counter({
    ...{ name: 'rmbg_worker_messages', help: 'Messages of the queue by how they ended.', registers },
    labelNames: ['settlement'] as const,
  })
  loadGauge(registry, 'rmbg_worker_images_in_work', 'Pictures in work.', () => load().inWork)
  loadGauge(
    registry,
    'rmbg_worker_held_bytes',
    'Originals held in memory or on disk.',
    () => load().heldBytes,
  )
  if (depth) addDepth(registry, depth)
  return {
    registry,
    tell: (event) => {
      if (event.type !== 'image') return
      countImage(event)
      if (event.status !== 'completed') return
      bytes.inc({ direction: 'read' }, event.inputBytes)
      bytes.inc({ direction: 'stored' }, event.storedBytes)
      for (const [stage, seconds] of secondsOf(event)) stages.observe({ stage }, seconds)
    },
    countError: (code) => errors.inc({ code }),
    countMessage: (settlement) => messages.inc({ settlement }),
    measured: (masks) => measured(masks, ({ inferenceMs = 0 }) => busy.inc(inferenceMs / 1000)),
  }
}

const secondsOf = ({ stages }: CompletedEvent): [string, number][] =>
  Object.entries(stages).map(([stage, ms]) => [stage, ms / 1000])

function addDepth(registry: Figures, depth: () => Promise<QueueDepth>): void {
  const waiting = new Gauge({
    ...{ name: 'rmbg_queue_messages', help: 'Messages of the queue by state.', registers: [registry] },
    labelNames: ['state'] as const,
    async collect() {
      const states = await withinPatience(depth()).catch(() => ({}))
      waiting.reset()
      for (const [state, messages] of Object.entries(states)) waiting.set({ state }, messages)
    },
  })
}

async function withinPatience<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('The queue did not answer in time')), depthPatienceMs)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Every inference counts, whatever becomes of its image. */
function measured(masks: Masks, note: (matte: Matte) => void): Masks {
  if (masks === 'from-store') return masks
  return {
    ...masks,
    model: async () => {
      const model = await masks.model()
      return {
        ...model,
        predict: async (rgb) => {
          const matte = await model.predict(rgb)
          note(matte)
          return matte
        },
      }
    },
  }
}
