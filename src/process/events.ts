/**
 * What a batch reports while it runs. Printers (terminal, lines, NDJSON, log file) listen. The schemas here are the one
 * definition of the events: types are inferred from them, and `npm run manifest` writes docs/events.schema.json.
 */
import { z } from 'zod'
import type { JobReview } from '../database/jobs.ts'
import { type ErrorCode, errorFamilies } from '../errors.ts'

/** Counts up when a field is renamed, removed or means something else; new fields and types do not change it. */
export const schemaVersion = 1

const count = z.int().min(0)
const milliseconds = z.number().min(0)
const errorCode = z.enum(Object.keys(errorFamilies) as [ErrorCode, ...ErrorCode[]])
const input = z.string().describe('The file as a person would type it.')
const jobId = z.string().describe('UUID of the row in the log.')

const phaseEvent = z
  .object({
    type: z.literal('phase'),
    phase: z.enum(['inputs', 'store', 'database', 'new-database', 'model']),
    message: z.string(),
  })
  .describe('What a person waits for before the first image. In log files only.')

const startEvent = z
  .object({
    type: z.literal('start'),
    schemaVersion: z
      .literal(schemaVersion)
      .describe('Of these events. New fields and types do not change it.'),
    runId: z.string(),
    images: count,
    isListing: z
      .boolean()
      .optional()
      .describe('More are found while the work goes on; events of the type "listing" count them.'),
    dryRun: z.boolean(),
    model: z.string(),
    modelChoice: z
      .object({
        reason: z.string(),
        notInstalled: z.array(z.string()).describe('Better models, which are not installed.'),
      })
      .optional()
      .describe('Why "auto" took the model.'),
    store: z.string(),
    database: z.string(),
    output: z
      .string()
      .optional()
      .describe('Absolute path of the folder or file that cut-outs go to, besides the store.'),
    besideInputs: z.boolean().optional().describe('Cut-outs go to the folders of their inputs.'),
    concurrency: z.int().min(1).describe('Images in work at once.'),
    maxMemoryBytes: z.number().min(0),
  })
  .describe('The images are counted, and work begins.')

const listingEvent = z
  .object({
    type: z.literal('listing'),
    images: count.describe('Found until now, those of the start among them.'),
    isComplete: z.boolean().describe('These are all.'),
  })
  .describe('More images were found in a bucket or manifest. At most one a second, and one at the end.')

const modelEvent = z
  .object({ type: z.literal('model'), model: z.string(), provider: z.string() })
  .describe('The model is loaded, so it is known what it really runs on.')

const output = z
  .union([
    z.object({
      path: z.string().describe('Absolute, as it is shown: bytes that are not UTF-8 as in a URL.'),
      state: z.enum(['written', 'restored', 'unchanged']),
    }),
    z.object({
      path: z.string().describe('Absolute, as it is shown: bytes that are not UTF-8 as in a URL.'),
      state: z.literal('kept'),
      reason: z
        .enum(['foreign', 'input'])
        .describe('It is not a cut-out of ours, or it is one of the inputs.'),
    }),
  ])
  .describe(
    'What became of the local cut-out or mask; in a dry run, what would. "written" is a new one, "restored" one of an earlier run that was missing or older, and "unchanged" was there already. "kept" means that something else is there and stays.',
  )

/** Rows keep it as JSON; those of early versions lack figures. */
const review = z
  .looseObject({
    reasons: z
      .array(z.string())
      .describe('Why a person should look at it; empty when nothing is suspicious.'),
    subjectArea: z.number().optional().describe('Share of the frame that the subject covers, 0..1.'),
    softShare: z.number().optional().describe('Share of the mask that is neither clear nor opaque, 0..1.'),
    touches: z.array(z.string()).optional().describe('Sides on which the subject leaves the frame.'),
    islands: z.number().optional(),
    holes: z.number().optional(),
    haloScore: z.number().nullish().describe('0 (own color) to 1 (color of the old background).'),
    violations: z.array(z.looseObject({ rule: z.string(), message: z.string() })).optional(),
  })
  .describe('Figures about the mask.') as unknown as z.ZodType<JobReview>

const stages = z
  .object({
    read: milliseconds.describe('Reading and hashing the file.'),
    decode: milliseconds,
    model: milliseconds.describe('Inference, without waiting for the model; 0 where a stored mask is used.'),
    composite: milliseconds,
    encode: milliseconds,
    store: milliseconds.describe('Until the store has acknowledged the objects, after they are made.'),
    database: milliseconds.describe('Statements before and after.'),
  })
  .describe('Milliseconds of each stage. Waiting for a free thread, or for the model, is in none.')

const objectPaths = {
  originalPath: z
    .string()
    .nullable()
    .describe(
      'Key in the store, as the other two; the address of an input that is referenced (--originals); null for what is not kept (--keep).',
    ),
  maskPath: z.string().nullable(),
  processedPath: z.string().nullable(),
}

const completedEvent = z
  .object({
    type: z.literal('image'),
    status: z.literal('completed'),
    input,
    jobId,
    attempt: z.int().min(1).describe('1 for a first try; more when an earlier run failed at it or died.'),
    width: z.int().min(1).describe('Pixels.'),
    height: z.int().min(1).describe('Pixels.'),
    frames: z
      .int()
      .min(2)
      .optional()
      .describe('Of an animation or a document with more than one frame or page; the first was taken.'),
    provider: z.string(),
    processingTimeMs: count.describe('Work on this image: the sum of its stages.'),
    stages,
    inputBytes: count.describe('Of the original.'),
    storedBytes: count.describe(
      'Of the objects that were stored for it; an original that was there already is none.',
    ),
    ...objectPaths,
    review,
    output: output.optional(),
    maskOutput: output.optional().describe('With --masks.'),
  })
  .describe('The objects that are kept are stored and verified, and the row of the job is completed.')

const skippedEvent = z
  .object({
    type: z.literal('image'),
    status: z.literal('skipped'),
    input,
    reason: z
      .enum(['unchanged', 'same-content', 'own-cutout', 'own-mask'])
      .describe(
        '"unchanged" and "same-content": completed before, with the same model and parameters. "own-cutout" and "own-mask": it is itself a cut-out or mask of ours, made by the job that is named.',
      ),
    jobId,
    ...objectPaths,
    review: review
      .nullable()
      .describe('Null for jobs of early versions, and for a cut-out that is no picture to review again.'),
    verdict: z
      .enum(['accepted', 'rejected'])
      .optional()
      .describe(
        'What a person says of it, in a review. An accepted cut-out needs review no longer, a rejected one does.',
      ),
    output: output.optional(),
    maskOutput: output.optional().describe('With --masks.'),
  })
  .describe('Nothing to do.')

const failedEvent = z.object({
  type: z.literal('image'),
  status: z.literal('failed'),
  input,
  code: errorCode,
  message: z.string(),
  hint: z.string().optional(),
  jobId: jobId.optional(),
})

const plannedEvent = z
  .object({
    type: z.literal('image'),
    status: z.literal('planned'),
    input,
    bytes: z.number().min(0),
    output: output.optional(),
    maskOutput: output.optional().describe('With --masks.'),
  })
  .describe('With --dry-run: this image would be processed.')

const notice = {
  type: z.literal('notice'),
  message: z.string(),
  important: z.boolean().optional().describe('Printed even with --quiet.'),
}

const estimate = z
  .object({
    images: count.describe('Images to do.'),
    inputBytes: count.describe('Of their files.'),
    storedBytes: count
      .nullable()
      .describe('How much the store will grow; null while nothing is known of this model.'),
    seconds: z.number().min(0).nullable().describe('Null while nothing is known of this model.'),
  })
  .describe('A forecast by the last images of this model.')

const counts = z.record(z.string(), count)
const noticeEvent = z
  .discriminatedUnion('code', [
    z.object({ ...notice, code: z.literal('waiting-for-other-run'), images: count }),
    z
      .object({ ...notice, code: z.literal('model-chosen') })
      .describe('The model that the run chose by itself may not be what the person expects.'),
    z.object({ ...notice, code: z.literal('device-fallback') }),
    z
      .object({ ...notice, code: z.literal('own-cutouts'), images: count })
      .describe('Inputs were left out because they are cut-outs or masks of ours.'),
    z
      .object({ ...notice, code: z.literal('first-frames'), images: count })
      .describe('Of so many animations and documents the first frame or page was taken.'),
    z.object({ ...notice, code: z.literal('stopping') }),
    z
      .object({ ...notice, code: z.literal('estimate'), estimate })
      .describe('What there is to do, and what it will take by the figures of the log.'),
    z
      .object({ ...notice, code: z.literal('watching'), folders: z.array(z.string()) })
      .describe('These folders (absolute paths) or addresses of buckets are watched from now on.'),
    z
      .object({ ...notice, code: z.literal('listening'), url: z.string() })
      .describe('Notifications of buckets are taken at this address from now on.'),
    z
      .object({ ...notice, code: z.literal('receiving'), queue: z.string() })
      .describe('Notifications of buckets are taken from this queue from now on.'),
    z
      .object({ ...notice, code: z.enum(['subscribed', 'notification-ignored', 'notification-unreadable']) })
      .describe(
        'A subscription of SNS was confirmed; a notification names an object that no input stands for; a message of the queue is no notification. Each is told once.',
      ),
    z
      .object({ ...notice, code: z.literal('serving'), url: z.string() })
      .describe('Pictures are taken at this address from now on.'),
    z
      .object({ ...notice, code: z.literal('campaign'), campaign: z.string() })
      .describe('A worker of a fleet begins with this campaign.'),
    z
      .object({ ...notice, code: z.literal('waiting-for-campaign') })
      .describe('A worker of a fleet waits until somebody enqueues the first images.'),
    z
      .object({ ...notice, code: z.literal('campaign-left') })
      .describe('A worker of a fleet leaves a campaign to others: its model is not that of the campaign.'),
    z
      .object({ ...notice, code: z.literal('folders-left-out'), folders: counts })
      .describe('Folders that systems keep for themselves were not searched: how many, by name.'),
    z
      .object({ ...notice, code: z.literal('kinds-left-out'), files: count, kinds: counts })
      .describe('Pictures in searched folders of kinds that are not read: how many, by extension.'),
    z
      .object({ ...notice, code: z.enum(['server-away', 'server-back']) })
      .describe('A database or store is waited for; it answers again.'),
    z
      .object({ ...notice, code: z.literal('runtime-fetched') })
      .describe('The library that runs models was not installed with the program, and is being fetched.'),
  ])
  .describe('Something worth knowing that fails nothing. Programs switch on `code`; people read `message`.')

const summaryEvent = z
  .object({
    type: z.literal('summary'),
    runId: z.string(),
    images: count,
    completed: count,
    skipped: count,
    failed: count,
    planned: count,
    ownCutouts: count.describe('How many of the skipped ones are themselves cut-outs or masks of ours.'),
    kept: count.describe(
      'Files in the place of cut-outs and masks that stay as they are: they are not ours, or are inputs.',
    ),
    needReview: count.describe('How many of the completed and skipped ones a person should look at.'),
    remaining: count.describe('Images that were not begun because the run was stopped.'),
    interrupted: z.boolean(),
    elapsedMs: count,
    imagesPerSecond: z.number().min(0),
    failures: z
      .array(failedEvent.pick({ input: true, code: true, message: true }))
      .describe('The first thousand.'),
  })
  .describe('The last event of a run that began.')

const errorEvent = z
  .object({ type: z.literal('error'), code: errorCode, message: z.string(), hint: z.string().optional() })
  .describe('An error ended the run, or kept it from beginning. The last event.')

/** Every event of `rmbg process --json`. */
export const processEvent = z.union([
  phaseEvent,
  startEvent,
  listingEvent,
  modelEvent,
  completedEvent,
  skippedEvent,
  failedEvent,
  plannedEvent,
  noticeEvent,
  summaryEvent,
  errorEvent,
])

export type Estimate = z.infer<typeof estimate>
export type PhaseEvent = z.infer<typeof phaseEvent>
export type StartEvent = z.infer<typeof startEvent>
export type ListingEvent = z.infer<typeof listingEvent>
export type ModelEvent = z.infer<typeof modelEvent>
export type Output = z.infer<typeof output>
export type KeptReason = Extract<Output, { state: 'kept' }>['reason']
export type Stages = z.infer<typeof stages>
export type CompletedEvent = z.infer<typeof completedEvent>
export type SkippedEvent = z.infer<typeof skippedEvent>
export type FailedEvent = z.infer<typeof failedEvent>
export type PlannedEvent = z.infer<typeof plannedEvent>
export type ImageEvent = CompletedEvent | SkippedEvent | FailedEvent | PlannedEvent
export type NoticeEvent = z.infer<typeof noticeEvent>
export type SummaryEvent = z.infer<typeof summaryEvent>
export type ErrorEvent = z.infer<typeof errorEvent>
/** What a run tells of itself; an error that ends it is thrown. */
export type BatchEvent =
  | PhaseEvent
  | StartEvent
  | ListingEvent
  | ModelEvent
  | ImageEvent
  | NoticeEvent
  | SummaryEvent
