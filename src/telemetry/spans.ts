/**
 * Spans of a message's way, by the semantic conventions for messaging: receive, process, settle. Without an SDK, which
 * users preload (`NODE_OPTIONS=--import …`), the API does nothing and costs next to nothing.
 */
import {
  type Attributes,
  context,
  type Link,
  propagation,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { RmbgError } from '../errors.ts'
import type { Settlement } from './worker-figures.ts'

export interface MessageSource {
  /** What hands the messages over, such as `pg-boss`, `aws_sqs` or `s3_event_notifications`. */
  system: string
  /** The name of the queue or topic; never an address with a secret. */
  destination: string
}

export interface TracedMessage {
  id: string
  /** What came with the message of the trace that it was sent in: `traceparent` and so on. */
  carrier?: Readonly<Record<string, string>> | undefined
  /** The span that it was received in. */
  received?: SpanContext | undefined
}

export interface MessageSpans {
  /**
   * Asks the queue. A question that brings nothing leaves no span.
   *
   * @param ask returns the messages
   * @returns the messages, and the span that `process` links to
   */
  receive<Message>(
    ask: () => Promise<readonly Message[]>,
  ): Promise<{ messages: readonly Message[]; received: SpanContext | undefined }>
  /** @param work does what the message asks for; `note` adds attributes to the span */
  process<T>(message: TracedMessage, work: (note: (attributes: Attributes) => void) => Promise<T>): Promise<T>
  /** @param work tells the queue how the message ended */
  settle<T>(settlement: Settlement, work: () => Promise<T>): Promise<T>
}

export function messageSpans({ system, destination }: MessageSource): MessageSpans {
  const tracer = trace.getTracer('rmbg')
  const attributesOf = (type: 'receive' | 'process' | 'settle', name: string): Attributes => ({
    'messaging.system': system,
    'messaging.destination.name': destination,
    'messaging.operation.type': type,
    'messaging.operation.name': name,
  })
  return {
    receive: async (ask) => {
      const startTime = Date.now()
      const begin = (count: number) =>
        tracer.startSpan(`receive ${destination}`, {
          ...{ kind: SpanKind.CLIENT, startTime },
          attributes: { ...attributesOf('receive', 'receive'), 'messaging.batch.message_count': count },
        })
      let messages: Awaited<ReturnType<typeof ask>>
      try {
        messages = await ask()
      } catch (error) {
        end(begin(0), error)
        throw error
      }
      if (messages.length === 0) return { messages, received: undefined }
      const span = begin(messages.length)
      span.end()
      return { messages, received: span.spanContext() }
    },
    process: ({ id, carrier, received }, work) => {
      const sent = carrier && trace.getSpanContext(propagation.extract(context.active(), carrier))
      const links: Link[] = [sent, received].flatMap((linked) => (linked ? [{ context: linked }] : []))
      const attributes = { ...attributesOf('process', 'process'), 'messaging.message.id': id }
      const options = { kind: SpanKind.CONSUMER, links, attributes, root: true }
      return tracer.startActiveSpan(`process ${destination}`, options, (span) =>
        ended(span, () => work((more) => void span.setAttributes(more))),
      )
    },
    settle: (settlement, work) =>
      tracer.startActiveSpan(
        `${settlement} ${destination}`,
        { kind: SpanKind.CLIENT, attributes: attributesOf('settle', settlement) },
        (span) => ended(span, work),
      ),
  }
}

/** What a message carries of the trace that it is sent in; empty without an SDK. */
export function traceCarrier(): Record<string, string> {
  const carrier: Record<string, string> = {}
  propagation.inject(context.active(), carrier)
  return carrier
}

async function ended<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work()
    span.end()
    return result
  } catch (error) {
    end(span, error)
    throw error
  }
}

/** The code and the sentence, which hold no secret; no stack and no cause, which might. */
function end(span: Span, error: unknown): void {
  const isOurs = error instanceof RmbgError
  span.setAttribute('error.type', isOurs ? error.code : ((error as Error | undefined)?.name ?? '_OTHER'))
  span.setStatus({ code: SpanStatusCode.ERROR, ...(isOurs && { message: error.message }) })
  span.end()
}
