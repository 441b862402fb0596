/** What a worker lets others see of it: figures, probes and spans. */
import { Hono } from 'hono'
import { RmbgError } from '../errors.ts'
import type { Masks } from '../process/contract.ts'
import type { BatchEvent } from '../process/events.ts'
import { type Address, addressOf, isLoopback, refusal } from '../server/guard.ts'
import { listen } from '../server/listening.ts'
import { addProbes } from '../server/probes.ts'
import { type MessageSource, type MessageSpans, messageSpans } from './spans.ts'
import { openWorkerFigures, type QueueDepth, type WorkerFigures } from './worker-figures.ts'

export interface TelemetryOptions {
  source: MessageSource
  /** Where figures and probes are asked for: `9464`, `127.0.0.1:9464`, `0.0.0.0:9464`; undefined: nowhere. */
  metrics: string | undefined
  /** Throws while no work can be taken, such as while the worker drains. */
  check: () => Promise<void>
  /** Asked when figures are. */
  load?: () => { inWork: number; heldBytes: number }
  depth?: () => Promise<QueueDepth>
}

export interface Telemetry extends MessageSpans {
  /** Where `GET /metrics`, `/healthz` and `/readyz` are answered; undefined without `metrics`. */
  url: string | undefined
  /** In OpenMetrics. */
  figures(): Promise<{ text: string; contentType: string }>
  /** For `onEvent` of batches: counts images by outcome, bytes and stages. */
  tell(event: BatchEvent): void
  /** Counts an error that is of no single image (a database or store that is away), by its code. */
  noteError(error: unknown): void
  /** The same masks; how long the model is busy is counted. */
  measured(masks: Masks): Masks
  close(): Promise<void>
}

/**
 * Begins to answer. Settled messages are counted, and errors of `receive` and `settle` too.
 *
 * Figures tell no name and no picture, but are for this machine alone unless a wider address is named: there, whoever
 * reaches it may ask.
 *
 * @throws RmbgError USAGE for an address that is none, or cannot be listened at
 */
export async function openTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const { source, metrics, check, load = () => ({ inWork: 0, heldBytes: 0 }), depth } = options
  const figures = openWorkerFigures(load, depth)
  const noteError = (error: unknown) =>
    figures.countError(error instanceof RmbgError ? error.code : 'UNEXPECTED')
  const address = metrics === undefined ? undefined : addressOf(metrics, '--metrics')
  const server = address && (await listen(figuresApp(address, figures, check), address, '--metrics'))
  const spans = messageSpans(source)
  const noting = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      noteError(error)
      throw error
    }
  }
  return {
    url: server?.url,
    figures: () => textOf(figures),
    tell: figures.tell,
    noteError,
    measured: figures.measured,
    receive: (ask) => noting(spans.receive(ask)),
    process: spans.process,
    settle: async (settlement, work) => {
      const result = await noting(spans.settle(settlement, work))
      figures.countMessage(settlement)
      return result
    },
    close: async () => server?.close(),
  }
}

const textOf = async ({ registry }: WorkerFigures) => ({
  text: await registry.metrics(),
  contentType: registry.contentType,
})

function figuresApp({ host }: Address, figures: WorkerFigures, check: () => Promise<void>): Hono {
  const app = new Hono()
  addProbes(app, check)
  app.get('/metrics', async (c) => {
    const asked = { host: c.req.header('host'), origin: c.req.header('origin'), authorization: undefined }
    const reason = isLoopback(host) ? refusal(asked, undefined) : undefined
    if (reason !== undefined) return c.text(`${reason}\n`, 403)
    const { text, contentType } = await textOf(figures)
    return c.body(text, 200, { 'Content-Type': contentType })
  })
  app.notFound((c) => c.text('There is nothing here. Ask for /metrics, /healthz or /readyz.\n', 404))
  return app
}
