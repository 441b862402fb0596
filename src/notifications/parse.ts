/**
 * What event notifications of buckets say: those of AWS, Ceph and MinIO as they are, wrapped by SNS, or as EventBridge
 * sends them. Nothing in them is believed but that there may be something to look at.
 */
import { z } from 'zod'
import { RmbgError } from '../errors.ts'

/** An object that was made, or changed. */
export interface ObjectNotice {
  bucket: string
  /** As in `Arrival`. */
  keys: readonly [string, ...string[]]
}

export type Notification =
  /** `ignored`: how many others it holds: of objects that were removed, tests, other services. */
  | { objects: ObjectNotice[]; ignored: number }
  /** SNS asks whether notifications are wanted here: who asks this address says yes. */
  | { confirm: string }

const record = z.object({
  eventSource: z.string().optional(),
  eventName: z.string(),
  s3: z.object({
    bucket: z.object({ name: z.string().min(1) }),
    object: z.object({ key: z.string().min(1) }),
  }),
})

const records = z.object({ Records: z.array(z.unknown()) })

const envelope = z.discriminatedUnion('Type', [
  z.object({ Type: z.literal('Notification'), Message: z.string() }),
  z.object({ Type: z.literal('SubscriptionConfirmation'), SubscribeURL: z.string() }),
  z.object({ Type: z.literal('UnsubscribeConfirmation') }),
])

const bridged = z.object({ source: z.string(), 'detail-type': z.string(), detail: z.unknown() })
const bridgedObject = z.object({
  bucket: z.object({ name: z.string().min(1) }),
  object: z.object({ key: z.string().min(1) }),
})

/** That AWS sends once a bucket is to notify somebody. */
const testEvent = z.object({ Event: z.literal('s3:TestEvent') })

/**
 * @param text a body of JSON
 * @throws RmbgError USAGE for what is no notification of a bucket
 */
export function parseNotification(text: string): Notification {
  const body = json(text)
  const wrapped = envelope.safeParse(body)
  if (!wrapped.success) return ofBody(body)
  switch (wrapped.data.Type) {
    case 'Notification':
      return ofBody(json(wrapped.data.Message))
    case 'SubscriptionConfirmation':
      return { confirm: wrapped.data.SubscribeURL }
    case 'UnsubscribeConfirmation':
      return { objects: [], ignored: 1 }
  }
}

function ofBody(body: unknown): Notification {
  if (testEvent.safeParse(body).success) return { objects: [], ignored: 1 }
  const listed = records.safeParse(body)
  if (listed.success) return summed(listed.data.Records.map(ofRecord))
  const events = z
    .array(bridged)
    .min(1)
    .safeParse(Array.isArray(body) ? body : [body])
  if (events.success) return summed(events.data.map(ofBridge))
  throw notOne()
}

const summed = (found: (ObjectNotice | undefined)[]): Notification => {
  const objects = found.filter((each) => each !== undefined)
  return { objects, ignored: found.length - objects.length }
}

/** AWS and MinIO call the event `ObjectCreated:Put`, with or without `s3:`; Ceph tells of copies from another zone too. */
const isMade = (name: string): boolean =>
  /^(s3:)?(ObjectCreated:|ObjectSynced:Create|ObjectRestore:Completed$)/.test(name)

function ofRecord(given: unknown): ObjectNotice | undefined {
  const { success, data } = record.safeParse(given)
  if (!success || !isMade(data.eventName)) return undefined
  const { bucket, object } = data.s3
  return { bucket: bucket.name, keys: keysOf(object.key, data.eventSource) }
}

/** AWS encodes keys as in a form; Ceph 16 does not; of others nobody knows. */
function keysOf(key: string, source: string | undefined): ObjectNotice['keys'] {
  const decoded = fromForm(key)
  if (decoded === key) return [key]
  if (source === 'aws:s3') return [decoded]
  return source === 'ceph:s3' ? [key, decoded] : [decoded, key]
}

function fromForm(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    return key
  }
}

/** EventBridge does not encode keys. */
function ofBridge({
  source,
  'detail-type': type,
  detail,
}: z.infer<typeof bridged>): ObjectNotice | undefined {
  if (source !== 'aws.s3' || !['Object Created', 'Object Restore Completed'].includes(type)) return undefined
  const { success, data } = bridgedObject.safeParse(detail)
  return success ? { bucket: data.bucket.name, keys: [data.object.key] } : undefined
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw notOne(cause)
  }
}

const notOne = (cause?: unknown): RmbgError =>
  new RmbgError('USAGE', 'This is no event notification of a bucket.', {
    hint: 'What Amazon S3, SNS, EventBridge, Ceph and MinIO send is understood.',
    ...(cause !== undefined && { cause }),
  })
