import { request } from 'node:http'
import {
  type Attributes,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  type SpanOptions,
  type SpanStatus,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { RmbgError } from '../../src/errors.ts'
import type { MatteModel, ModelSpec } from '../../src/model/contract.ts'
import { openTelemetry, type Telemetry, type TelemetryOptions } from '../../src/telemetry/open.ts'
import { traceCarrier } from '../../src/telemetry/spans.ts'
import { completedEvent, failedEvent } from '../support/told-screen.ts'

const source = { system: 'pg-boss', destination: 'shards' }

async function opened(options: Partial<TelemetryOptions> = {}): Promise<Telemetry> {
  const telemetry = await openTelemetry({
    ...{ source, metrics: '127.0.0.1:0', check: async () => {} },
    ...options,
  })
  onTestFinished(() => telemetry.close())
  return telemetry
}

const get = async (telemetry: Telemetry, path: string, headers = {}) => {
  const response = await fetch(`${telemetry.url}${path}`, { headers })
  return { status: response.status, text: await response.text(), type: response.headers.get('content-type') }
}

describe('the figures of a worker', () => {
  it('count images by outcome and code, bytes, stages and settled messages', async () => {
    const telemetry = await opened({ load: () => ({ inWork: 3, heldBytes: 4096 }) })
    telemetry.tell(completedEvent('a.jpg'))
    telemetry.tell(completedEvent('b.jpg'))
    telemetry.tell(failedEvent('c.jpg'))
    telemetry.noteError(new RmbgError('STORE_UNAVAILABLE', 'The store is away.'))
    await telemetry.settle('complete', async () => {})
    await telemetry.settle('release', async () => {})
    const { status, text, type } = await get(telemetry, '/metrics')
    expect([status, type]).toEqual([200, expect.stringContaining('openmetrics')])
    for (const line of [
      'rmbg_worker_images_total{status="completed",code=""} 2',
      'rmbg_worker_images_total{status="failed",code="INPUT_EMPTY"} 1',
      'rmbg_worker_bytes_total{direction="read"} 2000',
      'rmbg_worker_bytes_total{direction="stored"} 6000',
      'rmbg_worker_stage_seconds_sum{stage="model"} 0.12',
      'rmbg_worker_stage_seconds_bucket{le="0.1",stage="model"} 2',
      'rmbg_worker_stage_seconds_count{stage="database"} 2',
      'rmbg_worker_errors_total{code="STORE_UNAVAILABLE"} 1',
      'rmbg_worker_messages_total{settlement="complete"} 1',
      'rmbg_worker_messages_total{settlement="release"} 1',
      'rmbg_worker_images_in_work 3',
      'rmbg_worker_held_bytes 4096',
    ])
      expect(text.split('\n')).toContain(line)
    expect(text).toContain('process_resident_memory_bytes')
    expect(text.endsWith('# EOF\n')).toBe(true)
  })

  it('count the time in which the model is busy, whatever becomes of the image', async () => {
    const telemetry = await opened()
    const spec = { name: 'm' } as ModelSpec
    const model: MatteModel = {
      ...{ spec, inputSize: { width: 1, height: 1 }, provider: 'cpu', notice: undefined },
      predict: async () => ({ alpha: new Float32Array(1), width: 1, height: 1, inferenceMs: 1500 }),
      close: async () => {},
    }
    const masks = telemetry.measured({ spec, model: async () => model })
    if (masks === 'from-store') throw new Error('There is a model')
    await (await masks.model()).predict(new Uint8Array(3))
    expect((await telemetry.figures()).text).toContain('rmbg_worker_model_busy_seconds_total 1.5')
    expect(telemetry.measured('from-store')).toBe('from-store')
  })

  it('tell of held bytes only where somebody counts them, and ask nobody before they are asked', async () => {
    let inWork: number | undefined
    const telemetry = await opened({ load: () => ({ inWork: inWork ?? Number.NaN }) })
    inWork = 5
    const { text } = await telemetry.figures()
    expect(text).toContain('rmbg_worker_images_in_work 5')
    expect(text).not.toContain('\nrmbg_worker_held_bytes')
  })

  it('tell the depth of the queue as it is now, and none while nobody knows', async () => {
    let depth = async () => ({ waiting: 12, active: 2 }) as Record<string, number>
    const telemetry = await opened({ depth: () => depth() })
    expect((await get(telemetry, '/metrics')).text).toContain('rmbg_queue_messages{state="waiting"} 12')
    depth = async () => ({ active: 1 })
    const now = (await get(telemetry, '/metrics')).text
    expect(now).toContain('rmbg_queue_messages{state="active"} 1')
    expect(now).not.toContain('waiting')
    depth = async () => Promise.reject(new Error('away'))
    const unknown = await get(telemetry, '/metrics')
    expect(unknown.status).toBe(200)
    expect(unknown.text).not.toContain('rmbg_queue_messages{')
  })
})

describe('who may ask', () => {
  it('is told whether the worker runs, and whether it takes work', async () => {
    let error: unknown
    const telemetry = await opened({
      check: async () => {
        if (error) throw error
      },
    })
    expect((await get(telemetry, '/readyz')).text).toBe('ready\n')
    error = new RmbgError('DATABASE_UNAVAILABLE', 'The database at secret-host is away.')
    expect(await get(telemetry, '/readyz')).toMatchObject({ status: 503, text: 'DATABASE_UNAVAILABLE\n' })
    expect(await get(telemetry, '/healthz')).toMatchObject({ status: 200, text: 'ok\n' })
    expect(await get(telemetry, '/elsewhere')).toMatchObject({ status: 404 })
  })

  it('is no web page, and no name that leads here from elsewhere', async () => {
    const telemetry = await opened()
    expect(await get(telemetry, '/metrics', { Origin: 'https://evil.example' })).toMatchObject({
      status: 403,
    })
    expect(await statusByName(telemetry, 'evil.example')).toBe(403)
    const wide = await opened({ metrics: '0.0.0.0:0' })
    const port = new URL(wide.url ?? '').port
    expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(200)
    expect(await statusByName({ ...wide, url: `http://127.0.0.1:${port}` }, 'worker-1.pods')).toBe(200)
  })

  it('is nobody without an address, and an address has to be one', async () => {
    expect((await opened({ metrics: undefined })).url).toBeUndefined()
    await expect(opened({ metrics: 'here' })).rejects.toMatchObject({
      code: 'USAGE',
      hint: expect.stringContaining('--metrics 7000'),
    })
  })
})

/** `fetch` sets the host by itself. */
const statusByName = ({ url }: Telemetry, host: string) =>
  new Promise((resolve, reject) => {
    request(`${url}/metrics`, { headers: { host } }, (response) => resolve(response.statusCode))
      .on('error', reject)
      .end()
  })

interface Kept extends SpanOptions {
  name: string
  attributes: Attributes
  status?: SpanStatus
  spanContext: SpanContext
  isEnded: boolean
}

/** A provider as an SDK registers it: through the API, with spans that are kept. */
function keepSpans(): Kept[] {
  const kept: Kept[] = []
  const startSpan = (name: string, options: SpanOptions = {}): Span => {
    const id = (kept.length + 1).toString(16).padStart(16, '0')
    const spanContext = { traceId: id.padStart(32, 'a'), spanId: id, traceFlags: 1 }
    const span: Kept = {
      ...options,
      name,
      attributes: { ...options.attributes },
      spanContext,
      isEnded: false,
    }
    kept.push(span)
    const handle = {
      spanContext: () => spanContext,
      setAttribute: (key: string, value: string) => Object.assign(span.attributes, { [key]: value }),
      setAttributes: (attributes: Attributes) => Object.assign(span.attributes, attributes),
      setStatus: (status: SpanStatus) => Object.assign(span, { status }),
      end: () => {
        span.isEnded = true
      },
    }
    return handle as unknown as Span
  }
  const tracer = {
    startSpan,
    startActiveSpan: (name: string, options: SpanOptions, work: (span: Span) => unknown) =>
      work(startSpan(name, options)),
  }
  trace.setGlobalTracerProvider({ getTracer: () => tracer } as unknown as TracerProvider)
  return kept
}

describe('spans', () => {
  afterEach(() => {
    trace.disable()
    propagation.disable()
  })

  it('follow a message from receive over process to settle, and link to where it was sent', async () => {
    const spans = keepSpans()
    propagation.setGlobalPropagator({
      inject: (_, carrier) => Object.assign(carrier as object, { traceparent: 'sent' }),
      extract: (from, carrier) =>
        trace.setSpanContext(from, {
          ...{ traceId: 'f'.repeat(32), spanId: 'f'.repeat(16), traceFlags: 1 },
          traceState: (carrier as { traceparent: string }).traceparent as never,
        }),
      fields: () => ['traceparent'],
    })
    const telemetry = await opened({ metrics: undefined })
    const carrier = traceCarrier()
    expect(carrier).toEqual({ traceparent: 'sent' })
    await telemetry.receive(async () => [])
    expect(spans).toEqual([])
    const { messages, received } = await telemetry.receive(async () => ['shard-1'])
    await telemetry.process({ id: messages[0] ?? '', carrier, received }, async (note) => {
      note({ 'rmbg.images.completed': 100 })
      await telemetry.settle('complete', async () => {})
    })
    expect(spans.map(({ name, isEnded }) => [name, isEnded])).toEqual([
      ['receive shards', true],
      ['process shards', true],
      ['complete shards', true],
    ])
    expect(spans[0]?.attributes).toEqual({
      'messaging.system': 'pg-boss',
      'messaging.destination.name': 'shards',
      'messaging.operation.type': 'receive',
      'messaging.operation.name': 'receive',
      'messaging.batch.message_count': 1,
    })
    expect(spans[1]?.attributes).toMatchObject({
      'messaging.operation.type': 'process',
      'messaging.message.id': 'shard-1',
      'rmbg.images.completed': 100,
    })
    expect(spans[1]?.links?.map(({ context: { spanId } }) => spanId)).toEqual([
      'f'.repeat(16),
      received?.spanId,
    ])
    expect(spans[2]?.attributes).toMatchObject({ 'messaging.operation.type': 'settle' })
  })

  it('tell errors by their code and keep no cause', async () => {
    const spans = keepSpans()
    const telemetry = await opened({ metrics: undefined })
    const cause = new Error('password=hunter2')
    const error = new RmbgError('DATABASE_UNAVAILABLE', 'The database is away.', { cause })
    const failing = async () => Promise.reject(error)
    await expect(telemetry.receive(failing)).rejects.toBe(error)
    await expect(telemetry.process({ id: '1' }, failing)).rejects.toBe(error)
    await expect(telemetry.settle('fail', failing)).rejects.toBe(error)
    expect(spans.every(({ attributes, isEnded }) => isEnded && attributes['error.type'] === error.code)).toBe(
      true,
    )
    expect(JSON.stringify(spans)).not.toContain('hunter2')
    const { text } = await telemetry.figures()
    // Of process, the one who called it knows whether it is the image's.
    expect(text).toContain('rmbg_worker_errors_total{code="DATABASE_UNAVAILABLE"} 2')
    expect(text).not.toContain('rmbg_worker_messages_total{')
  })

  it('are none without an SDK, and the work is done', async () => {
    const telemetry = await opened({ metrics: undefined })
    expect(await telemetry.process({ id: '1' }, async () => 'done')).toBe('done')
    expect(traceCarrier()).toEqual({})
    expect(context.active()).toBe(ROOT_CONTEXT)
  })
})
