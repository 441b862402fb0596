/** `rmbg watch` of buckets, behind its command line. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Context } from '../context.ts'
import { RmbgError } from '../errors.ts'
import type { ObjectNotice } from '../notifications/parse.ts'
import type { MessageQueue } from '../notifications/sqs.ts'
import type { BatchServices } from '../process/contract.ts'
import type { NoticeEvent, SummaryEvent } from '../process/events.ts'
import { openWatchedBuckets, type WatchedBuckets } from '../process/inputs/watched-buckets.ts'
import { type Arrivals, openArrivals } from '../process/watch/arrivals.ts'
import { openBell } from '../process/watch/bell.ts'
import type { BucketWatchOptions } from '../process/watch-buckets.ts'
import { type Address, addressOf, assertGuarded } from '../server/guard.ts'
import { listen } from '../server/listening.ts'
import { readiness } from '../server/probes.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import { systemPath, typedValue, workingDirectory } from '../system/file-names.ts'
import { openSpill } from '../system/spill.ts'
import type { Telemetry } from '../telemetry/open.ts'
import { openBatchServices, resolveRecipe } from './batch-services.ts'
import type { Frame } from './command.ts'
import { planEndlessFiles } from './output-flags.ts'
import { printable } from './printable.ts'
import { onceEach } from './printers/once-each.ts'
import type { Printer } from './printers/printer.ts'
import { asProcessFlags, toBatchOptions } from './process-flags.ts'
import type { WatchFlags } from './watch-flags.ts'

const usualListSeconds = 900
const usualMostWaiting = 10_000

/** @throws RmbgError what would have failed every other image as well */
export async function watchBucketInputs(
  frame: Frame,
  addresses: readonly string[],
  watchFlags: WatchFlags,
  print: Printer,
): Promise<SummaryEvent> {
  const { settings, context, stop } = frame
  const source = await sourceOf(watchFlags, settings, context)
  const everyMs = everyMsOf(watchFlags)
  const flags = asProcessFlags(watchFlags)
  const recipe = await resolveRecipe(settings, flags)
  const batchOptions = toBatchOptions({ flags, settings, candidates: [], ...recipe, plan: planEndlessFiles })
  const spill = openSpill()
  const { signal } = stop
  try {
    const services = await openBatchServices(frame, flags, print)
    const buckets = await openWatchedBuckets(addresses, settings.ignore, {
      ...{ bucket: context.inputBucket, spill, signal },
    })
    const bell = openBell()
    const arrivals = openArrivals(watchFlags['max-waiting'] ?? usualMostWaiting, bell.ring)
    const telemetry = await openTelemetryOf(source, { services, arrivals, signal, watchFlags })
    const intake = intakeOf(source, { buckets, arrivals, telemetry, signal, services, print })
    const { watchBuckets } = await import('../process/watch-buckets.ts')
    print({ type: 'notice', code: 'watching', folders: [...addresses], message: watchingText(addresses) })
    try {
      return await watchBuckets(
        { ...services, masks: telemetry.measured(services.masks) },
        {
          ...{ buckets, arrivals, bell, everyMs, batchOptions, signal, letIn: intake.letIn },
          around: (taken, work) =>
            telemetry.process(
              taken.map(({ message }) => message),
              work,
            ),
          onWork: telemetry.addWork,
          onEvent: (event) => {
            telemetry.tell(event)
            print(event)
          },
        },
      )
    } finally {
      await intake.close()
      await telemetry.close()
    }
  } finally {
    await spill.close()
  }
}

/** Who tells of new objects. */
type NoticeSource =
  | { by: 'http'; address: Address; secret: string | undefined }
  | { by: 'queue'; queue: MessageQueue }
  /** Nobody: they are listed. */
  | { by: 'list' }

/** @throws RmbgError USAGE, or REFUSED where other machines could send without a secret */
async function sourceOf(
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

/** What the memory holds is forgotten when the program ends: then a list has to find it. */
function everyMsOf({ sqs, 'list-every': seconds = usualListSeconds }: WatchFlags): number | undefined {
  if (seconds !== Number.POSITIVE_INFINITY) return seconds * 1000
  if (sqs !== undefined) return undefined
  throw new RmbgError('USAGE', '--list-every never is for --sqs, where a queue keeps what is not done.')
}

const watchingText = (addresses: readonly string[]): string =>
  `Watching ${addresses.join(', ')}. Ctrl-C ends it in order.`

interface Seen {
  services: BatchServices
  arrivals: Arrivals
  signal: AbortSignal
  watchFlags: WatchFlags
}

async function openTelemetryOf(
  source: NoticeSource,
  { services, arrivals, signal, watchFlags }: Seen,
): Promise<Telemetry & { addWork: (pictures: number) => void }> {
  const { openTelemetry } = await import('../telemetry/open.ts')
  let inWork = 0
  const telemetry = await openTelemetry({
    source:
      source.by === 'queue'
        ? { system: 'aws_sqs', destination: source.queue.name }
        : { system: 's3', destination: 'notifications' },
    metrics: watchFlags.metrics,
    check: readiness(services, signal),
    load: () => ({ inWork, heldBytes: 0 }),
    depth: async () => (source.by === 'queue' ? source.queue.depth() : { waiting: arrivals.waiting }),
  })
  return Object.assign(telemetry, {
    addWork: (pictures: number) => {
      inWork += pictures
    },
  })
}

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

function intakeOf(source: NoticeSource, options: IntakeOptions): Intake {
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
