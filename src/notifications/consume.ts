/** Takes notifications out of a queue. A message is deleted when all that it tells of is dealt with, and not before. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Arrival, Arrivals } from '../process/watch/arrivals.ts'
import type { Telemetry } from '../telemetry/open.ts'
import { type ObjectNotice, parseNotification } from './parse.ts'
import { hiddenSeconds, type MessageQueue, type QueueMessage } from './sqs.ts'

export interface ConsumeOptions {
  queue: MessageQueue
  arrivals: Pick<Arrivals, 'add'>
  /** As in `ReceiverOptions`. */
  covers: (bucket: string, key: string) => boolean
  telemetry: Pick<Telemetry, 'receive' | 'settle' | 'noteError'>
  /** Told of notifications of objects that no input stands for, and of messages that are no notifications. */
  onNews: (news: ObjectNotice | 'unreadable') => void
  /** When it aborts, no more messages are received. */
  signal: AbortSignal
}

/** Messages that are held at once: to keep each from others costs a tenth of a request every 40 seconds. */
const mostHeld = 500
const extendMs = (hiddenSeconds * 1000) / 3
/** Between two looks at whether there is room. */
const pauseMs = 250

export interface Consumer {
  /**
   * Resolves when nothing is received any more; rejects with what ended that, which is of family `store`, or USAGE where
   * there is no such queue.
   */
  received: Promise<void>
  /** Resolves when all messages are settled: whoever works on arrivals settles every one. */
  drained(): Promise<void>
}

/** Receives until the signal aborts. */
export function consume(options: ConsumeOptions): Consumer {
  const { queue, telemetry, signal } = options
  const held = new Set<string>()
  const ending = new Set<Promise<void>>()
  const extending = setInterval(() => {
    // One that comes again meanwhile does no harm.
    if (held.size > 0) queue.hide([...held], hiddenSeconds).catch(telemetry.noteError)
  }, extendMs)
  const end = (handle: string, settlement: 'complete' | 'release') => {
    held.delete(handle)
    const ask = async () => {
      if (settlement === 'complete') await queue.remove([handle])
      // Others get it at once when this one ends; until then it waits, so that nobody tries again and again.
      else if (signal.aborted) await queue.hide([handle], 0)
    }
    // What fails is counted, and its message comes again.
    const asked: Promise<void> = telemetry
      .settle(settlement, ask)
      .catch(() => {})
      .finally(() => ending.delete(asked))
    ending.add(asked)
  }
  const receive = async () => {
    while (!signal.aborted) {
      const room = mostHeld - held.size
      if (room <= 0) {
        await sleep(pauseMs)
        continue
      }
      const { messages, received } = await telemetry.receive(() => queue.receive(room, signal))
      for (const message of messages) {
        const { id, carrier, handle } = message
        held.add(handle)
        take(message, { id, carrier, received }, options, (settlement) => end(handle, settlement))
      }
    }
  }
  return {
    received: receive(),
    drained: async () => {
      while (held.size > 0 || ending.size > 0) await sleep(pauseMs)
      clearInterval(extending)
    },
  }
}

/** @param settle called once, when all that the message tells of is settled; `release` if any of it is */
function take(
  { text }: QueueMessage,
  message: Arrival['message'],
  { arrivals, covers, onNews }: ConsumeOptions,
  settle: (settlement: 'complete' | 'release') => void,
): void {
  const objects = objectsIn(text)
  // The queue's own rules say what becomes of a message that nobody can read.
  if (!objects) onNews('unreadable')
  const wanted = (objects ?? []).flatMap((notice) => {
    const [first, ...others] = notice.keys.filter((key) => covers(notice.bucket, key))
    if (first !== undefined) return { bucket: notice.bucket, keys: [first, ...others] as const }
    onNews(notice)
    return []
  })
  let open = wanted.length
  let worst: 'complete' | 'release' = objects ? 'complete' : 'release'
  if (open === 0) settle(worst)
  for (const each of wanted)
    arrivals.add({
      ...{ ...each, message },
      settle: (settlement) => {
        if (settlement === 'release') worst = 'release'
        if (--open === 0) settle(worst)
      },
    })
}

/** @returns undefined for what is no notification */
function objectsIn(text: string): ObjectNotice[] | undefined {
  try {
    const notification = parseNotification(text)
    return 'objects' in notification ? notification.objects : []
  } catch {
    return undefined
  }
}
