/** A queue of Amazon SQS: what is asked of it, and what its errors mean. */
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { type ErrorCode, RmbgError } from '../errors.ts'
import type { Patience } from '../system/patience.ts'

export interface QueueMessage {
  id: string
  text: string
  /** What it is deleted by. */
  handle: string
  /** Of the trace that it was sent in; empty where there is none. */
  carrier: Record<string, string>
}

export interface MessageQueue {
  /** The name of the queue, for people and figures. */
  readonly name: string
  /**
   * Waits up to 20 seconds for messages. Nobody else gets them for `hiddenSeconds`.
   *
   * @param most 1 to 10
   * @returns none when there are none, and when the signal aborts
   * @throws RmbgError STORE_UNAVAILABLE, STORE_DENIED, or USAGE where there is no such queue
   */
  receive(most: number, signal: AbortSignal): Promise<QueueMessage[]>
  /** Keeps messages from others for so many seconds more, counted from now; 0 gives them back. */
  hide(handles: readonly string[], seconds: number): Promise<void>
  /** @throws as `receive` does. One that cannot be deleted comes again */
  remove(handles: readonly string[]): Promise<void>
  /** About how many wait, and how many somebody works on. */
  depth(): Promise<{ waiting: number; active: number }>
  close(): void
}

/** How long a received message is kept from others unless `hide` is called, in seconds. */
export const hiddenSeconds = 120
/** Messages of one request. */
const batchSize = 10
const longestWaitSeconds = 20

interface QueueOptions {
  /** `https://sqs.eu-central-1.amazonaws.com/123456789012/pictures`, or that of a server which speaks the same protocol. */
  url: string
  /** For a queue whose address names none. */
  region: string | undefined
  patience: Patience
}

/** @throws RmbgError USAGE for an address that is none of a queue */
export function openQueue({ url, region, patience }: QueueOptions): MessageQueue {
  const { name, region: named, endpoint } = partsOf(url)
  // A notice about future Node releases, for those who pin our dependencies, not for those who run the program.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  const client = new SQSClient({
    region: named ?? region ?? process.env.AWS_REGION ?? 'us-east-1',
    endpoint,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: (longestWaitSeconds + 20) * 1000 },
  })
  const asked = <T>(ask: () => Promise<T>): Promise<T> =>
    patience(ask, (error) => awayOf(error, name)).catch((cause) => Promise.reject(queueError(cause, name)))
  const inBatches = async (handles: readonly string[], send: (entries: Entry[]) => Promise<unknown>) => {
    for (let from = 0; from < handles.length; from += batchSize) {
      const part = handles.slice(from, from + batchSize)
      await asked(() => send(part.map((ReceiptHandle, index) => ({ Id: `${index}`, ReceiptHandle }))))
    }
  }
  return {
    name,
    receive: async (most, signal) => {
      const command = new ReceiveMessageCommand({
        ...{ QueueUrl: url, MaxNumberOfMessages: Math.min(most, batchSize) },
        ...{ WaitTimeSeconds: longestWaitSeconds, VisibilityTimeout: hiddenSeconds },
        MessageSystemAttributeNames: ['AWSTraceHeader'],
        MessageAttributeNames: ['traceparent', 'tracestate'],
      })
      try {
        const { Messages = [] } = await asked(() => client.send(command, { abortSignal: signal }))
        return Messages.map(({ MessageId = '', Body = '', ReceiptHandle = '', MessageAttributes = {} }) => ({
          ...{ id: MessageId, text: Body, handle: ReceiptHandle },
          carrier: Object.fromEntries(
            Object.entries(MessageAttributes).flatMap(([key, { StringValue: value }]) =>
              value === undefined ? [] : [[key, value]],
            ),
          ),
        }))
      } catch (error) {
        // Messages of an answer that was on its way come again when they are hidden no more.
        if (signal.aborted) return []
        throw error
      }
    },
    hide: (handles, VisibilityTimeout) =>
      inBatches(handles, (entries) =>
        client.send(
          new ChangeMessageVisibilityBatchCommand({
            QueueUrl: url,
            Entries: entries.map((entry) => ({ ...entry, VisibilityTimeout })),
          }),
        ),
      ),
    remove: (handles) =>
      inBatches(handles, (Entries) => client.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries }))),
    depth: async () => {
      const AttributeNames = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const
      const { Attributes = {} } = await client.send(
        new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [...AttributeNames] }),
      )
      const [waiting, active] = AttributeNames.map((attribute) => Number(Attributes[attribute] ?? 0))
      return { waiting: waiting ?? 0, active: active ?? 0 }
    },
    close: () => client.destroy(),
  }
}

interface Entry {
  Id: string
  ReceiptHandle: string
}

function partsOf(url: string): { name: string; region: string | undefined; endpoint: string } {
  const address = URL.canParse(url) ? new URL(url) : undefined
  const name = address?.pathname.split('/').filter(Boolean).at(-1)
  if (!address || !name || !/^https?:$/.test(address.protocol) || address.username || address.password) {
    throw new RmbgError('USAGE', '--sqs expects the address of a queue.', {
      hint: 'It looks like https://sqs.eu-central-1.amazonaws.com/123456789012/pictures.',
    })
  }
  const [, region] = /^sqs\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/.exec(address.hostname) ?? []
  return { name, region, endpoint: address.origin }
}

interface SqsFailure {
  name?: string
  code?: string
  $metadata?: { httpStatusCode?: number }
}

/** No answer, or one that says that the server is not there: the SDK has tried three times by then. */
function awayOf(error: unknown, name: string) {
  const { $metadata, name: kind } = error as SqsFailure
  const status = $metadata?.httpStatusCode
  const isAway =
    status === undefined ? !['AbortError', 'CredentialsProviderError'].includes(kind ?? '') : status >= 500
  return isAway ? { server: `The queue ${name}`, sentence: queueError(error, name).message } : undefined
}

function queueError(cause: unknown, name: string): Error {
  const { name: kind = '', code, $metadata } = cause as SqsFailure
  const status = $metadata?.httpStatusCode
  const error = (code: ErrorCode, sentence: string, hint: string) =>
    new RmbgError(code, sentence, { hint, cause })
  if (/NonExistentQueue|QueueDoesNotExist/.test(kind))
    return error('USAGE', `There is no queue ${name} at this address.`, 'Check --sqs and the region.')
  if (status === 401 || status === 403 || kind === 'CredentialsProviderError') {
    const rights =
      'sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and sqs:GetQueueAttributes'
    return error('STORE_DENIED', `The queue ${name} denied access.`, `The credentials need ${rights}.`)
  }
  const reason = `${code ?? (kind || 'no answer')}${status ? `, HTTP ${status}` : ''}`
  return error(
    'STORE_UNAVAILABLE',
    `The queue ${name} cannot be reached or does not answer (${reason}).`,
    'Check --sqs and the network.',
  )
}
