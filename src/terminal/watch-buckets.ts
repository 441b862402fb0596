/** `rmbg watch` of buckets, behind its command line. */
import { RmbgError } from '../errors.ts'
import type { BatchServices } from '../process/contract.ts'
import { assertApart, liesIn } from '../process/destination.ts'
import type { SummaryEvent } from '../process/events.ts'
import { remoteInputs } from '../process/inputs/remote.ts'
import { openWatchedBuckets } from '../process/inputs/watched-buckets.ts'
import { type Arrivals, openArrivals } from '../process/watch/arrivals.ts'
import { openBell } from '../process/watch/bell.ts'
import { readiness } from '../server/probes.ts'
import { workingDirectory } from '../system/file-names.ts'
import { openSpill } from '../system/spill.ts'
import type { Telemetry } from '../telemetry/open.ts'
import { openBatchServices, openOutput, resolveRecipe } from './batch-services.ts'
import type { Frame } from './command.ts'
import { intakeOf, type NoticeSource, sourceOf } from './notice-source.ts'
import { planEndlessFiles } from './output-flags.ts'
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
  const { destination } = recipe.wish
  assertApart(destination, addresses)
  const options = toBatchOptions({ flags, settings, candidates: [], ...recipe, plan: planEndlessFiles })
  const spill = openSpill()
  const { signal } = stop
  const { inputBucket: bucket, isOwnObject: isOwn } = context
  const places = { bucket, spill, stdin: process.stdin, cwd: workingDirectory(), signal }
  const isOutput = (name: string, key: string) => liesIn(destination, name, key)
  const remote = remoteInputs({ ...places, isOwn, isOutput })
  try {
    const services = await openBatchServices(frame, flags, print)
    const outputBucket = await openOutput(context, recipe)
    const buckets = await openWatchedBuckets(addresses, settings.ignore, { ...places, remote })
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
          ...{ buckets, arrivals, bell, everyMs, signal, letIn: intake.letIn },
          batchOptions: { ...options, outputBucket },
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
    await remote.close()
    await spill.close()
  }
}

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
    load: () => ({ inWork }),
    depth: async () => (source.by === 'queue' ? source.queue.depth() : { waiting: arrivals.waiting }),
  })
  return Object.assign(telemetry, {
    addWork: (pictures: number) => {
      inWork += pictures
    },
  })
}
