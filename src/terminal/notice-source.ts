/** Who tells `rmbg watch` of new objects in a bucket, and how what is told comes in. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Context } from '../context.ts'
import { RmbgError } from '../errors.ts'
import type { ObjectNotice } from '../notifications/parse.ts'
import type { MessageQueue } from '../notifications/sqs.ts'
import type { BatchServices } from '../process/contract.ts'
import type { NoticeEvent } from '../process/events.ts'
import type { WatchedBuckets } from '../process/inputs/watched-buckets.ts'
import type { Arrivals } from '../process/watch/arrivals.ts'
import type { BucketWatchOptions } from '../process/watch-buckets.ts'
import { type Address, addressOf, assertGuarded } from '../server/guard.ts'
import { listen } from '../server/listening.ts'
import { readiness } from '../server/probes.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import { systemPath, typedValue, workingDirectory } from '../system/file-names.ts'
import type { Telemetry } from '../telemetry/open.ts'
import { printable } from './printable.ts'
import { onceEach } from './printers/once-each.ts'
import type { Printer } from './printers/printer.ts'
import type { WatchFlags } from './watch-flags.ts'

/** Who tells of new objects. */
export type NoticeSource =
  | { by: 'http'; address: Address; secret: string | undefined }
  | { by: 'queue'; queue: MessageQueue }
  /** Nobody: they are listed. */
  | { by: 'list' }

/** @throws RmbgError USAGE, or REFUSED where other machines could send without a secret */
export async function sourceOf(
  flags: WatchFlags,
  settings: ResolvedSettings,
  { patience }: Context,
): Promise<NoticeSource> {
  if (flags.listen !== undefined) {
    const address = addressOf(flags.listen)
    const secret = await secretOf(flags, settings)
    assertGuarded(address, secret, {
      sentence: `Anybody who reaches this machine at ${address.host} could send notifications.`,
      hint: 'Name a long secret with --secret-file or RMBG_WATCH_SECRET, which senders send along.',
    })
    return { by: 'http', address, secret }
  }
  if (flags.sqs === undefined) return { by: 'list' }
  const { openQueue } = await import('../notifications/sqs.ts')
  const queue = openQueue({ url: flags.sqs, region: settings.s3Region, patience: patience() })
  return { by: 'queue', queue }
}

async function secretOf(
  { secret, 'secret-file': file }: WatchFlags,
  { watchSecret }: ResolvedSettings,
): Promise<string | undefined> {
  // oclif would print the value of one of them.
  if (secret !== undefined && file !== undefined)
    throw new RmbgError('USAGE', '--secret and --secret-file are two secrets. Name one.')
  const given = file === undefined ? secret : (await contentOf(file)).trim()
  if (given === undefined) return watchSecret
  if (given.length >= 16) return given
  throw new RmbgError(
    'USAGE',
    `The secret of --${file === undefined ? 'secret' : 'secret-file'} is too short.`,
    {
      hint: 'It needs 16 characters or more: openssl rand -hex 16',
    },
  )
}

const contentOf = (file: string): Promise<string> =>
  readFile(systemPath(resolve(workingDirectory(), typedValue(file))), 'utf8').catch((cause) => {
    throw new RmbgError('USAGE', `The file of --secret-file cannot be read (${cause.code}).`, { cause })
  })

interface IntakeOptions {
  buckets: WatchedBuckets
  arrivals: Arrivals
  telemetry: Telemetry
  signal: AbortSignal
  services: BatchServices
  print: Printer
}

interface Intake {
  letIn: BucketWatchOptions['letIn']
  /** Once all arrivals are settled. */
  close(): Promise<void>
}

export function intakeOf(source: NoticeSource, options: IntakeOptions): Intake {
  const onNews = newsTeller(options.print)
  if (source.by === 'http') return { letIn: () => receive(source, options, onNews), close: async () => {} }
  if (source.by === 'list') return { letIn: async () => async () => {}, close: async () => {} }
  const { queue } = source
  let drained = async () => {}
  return {
    letIn: async (fail) => {
      const { consume } = await import('../notifications/consume.ts')
      const ending = new AbortController()
      const { buckets, signal } = options
      const consumer = consume({
        ...{ ...options, queue, covers: buckets.covers, onNews },
        signal: AbortSignal.any([signal, ending.signal]),
      })
      drained = consumer.drained
      consumer.received.catch(fail)
      const message = `Notifications are taken from the queue ${queue.name}.`
      options.print({ type: 'notice', code: 'receiving', queue: queue.name, message })
      return async () => {
        ending.abort()
        await consumer.received.catch(() => {}) // told by `fail`
      }
    },
    close: async () => {
      await drained()
      queue.close()
    },
  }
}

async function receive(
  { address, secret }: Extract<NoticeSource, { by: 'http' }>,
  { buckets, arrivals, services, signal, print }: IntakeOptions,
  onNews: ReturnType<typeof newsTeller>,
): Promise<() => Promise<void>> {
  const { receiverApp, notificationsPath } = await import('../notifications/receiver.ts')
  const { confirmSubscription: confirm } = await import('../notifications/subscription.ts')
  const ending = new AbortController()
  const app = receiverApp({
    ...{ arrivals, covers: buckets.covers, secret, confirm, onNews },
    check: readiness(services, signal),
    signal: AbortSignal.any([signal, ending.signal]),
  })
  const { url, close } = await listen(app, address, '--listen')
  const message = `Notifications are taken at ${url}${notificationsPath}.`
  print({ type: 'notice', code: 'listening', url: `${url}${notificationsPath}`, message })
  return async () => {
    ending.abort()
    await close()
  }
}

type News = 'subscribed' | 'unreadable' | ObjectNotice

/** Each kind is told once: a bucket with a thousand pictures more than are watched is not worth a thousand lines. */
function newsTeller(print: Printer): (news: News) => void {
  const tell = onceEach(print)
  return (news) => tell({ type: 'notice', ...textOf(news) })
}

function textOf(news: News): Pick<NoticeEvent, 'message'> & { code: SmallNews } {
  if (news === 'subscribed') return { code: 'subscribed', message: 'A subscription of SNS was confirmed.' }
  if (news === 'unreadable') {
    const message =
      'A message of the queue is no event notification of a bucket. It is left to the rules of the queue.'
    return { code: 'notification-unreadable', message }
  }
  const object = printable(`s3://${news.bucket}/${news.keys[0]}`)
  const message = `A notification of ${object} is ignored, and others like it: no input stands for it.`
  return { code: 'notification-ignored', message }
}

type SmallNews = 'subscribed' | 'notification-unreadable' | 'notification-ignored'
