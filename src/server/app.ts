/** The routes of `rmbg serve`. */
import type { Readable } from 'node:stream'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import pLimit from 'p-limit'
import { sizeText } from '../bytes.ts'
import { type ErrorCode, type ErrorFamily, errorFamilies, RmbgError } from '../errors.ts'
import type { CutoutAnswer, CutoutService } from '../process/cutout-service.ts'
import type { FailedEvent } from '../process/events.ts'
import type { GivenCutout } from '../settings/cutout-settings.ts'
import type { Spill } from '../system/spill.ts'
import { refusal } from './guard.ts'
import { openMetrics } from './metrics.ts'
import { addProbes } from './probes.ts'
import { type Wishes, wishesOf } from './wishes.ts'

export interface AppOptions {
  service: CutoutService
  spill: Spill
  /** For what a request does not say. */
  usual: GivenCutout & { preset?: string | undefined }
  token: string | undefined
  /** Bytes of one picture. */
  maxBody: number
  /** Pictures in work at once. */
  concurrency: number
  /** Pictures that wait for their turn; more are refused. */
  maxWaiting: number
  /** Asked by `/readyz`; throws while pictures cannot be taken. */
  check: () => Promise<void>
}

/** What a client gets for an error of each kind. */
const statuses: Record<string, ContentfulStatusCode> = {
  USAGE: 400,
  INPUT_TOO_LARGE: 413,
  MEMORY_BUDGET: 413,
  OUTPUT_TOO_LARGE: 422,
  INPUT_UNSUPPORTED: 415,
  INPUT_EMPTY: 400,
  INPUT_CORRUPT: 422,
}

/** What stands in a server's way says nothing of the picture: the same request may be sent again. */
const ofFamily: Partial<Record<ErrorFamily, ContentfulStatusCode>> = { usage: 400, image: 422 }
const statusFor = (code: ErrorCode): ContentfulStatusCode =>
  statuses[code] ?? ofFamily[errorFamilies[code]] ?? 503

/** Names of the field that holds the picture, those of other servers among them. */
const pictureFields = ['image', 'image_file', 'file']

/** @returns the routes; `waiting` tells how many pictures are in work or wait */
export function serverApp(options: AppOptions): Hono {
  const { token, maxBody, check } = options
  const limit = pLimit(options.concurrency)
  const metrics = openMetrics(() => ({ inWork: limit.activeCount, waiting: limit.pendingCount }))
  const app = new Hono()
  app.onError((error, c) => answerError(c.req.raw, error))
  app.notFound((c) =>
    c.json(problem('NOT_FOUND', 'There is nothing here. POST a picture to /v1/cutouts.'), 404),
  )
  app.use(async (c, next) => {
    await next()
    // What is still being sent would be taken for the next request.
    if (c.req.raw.body && !c.req.raw.bodyUsed) c.header('Connection', 'close')
  })
  addProbes(app, check) // before the guard
  app.use(async (c, next) => {
    const asked = { host: c.req.header('host'), origin: c.req.header('origin') }
    const reason = refusal({ ...asked, authorization: c.req.header('authorization') }, token)
    if (reason === undefined) return next()
    metrics.refuse('forbidden')
    const status = token === undefined ? 403 : 401
    return c.json(problem('REFUSED', reason), status, status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {})
  })
  app.get('/metrics', async (c) => c.body(await metrics.text(), 200, { 'Content-Type': metrics.contentType }))
  const tooLarge = () => answerError(undefined, tooLargeBody(maxBody))
  app.post('/v1/cutouts', bodyLimit({ maxSize: maxBody, onError: tooLarge }), async (c) => {
    const ended = metrics.time()
    try {
      if (limit.pendingCount >= options.maxWaiting) {
        metrics.refuse('busy')
        const busy = problem('BUSY', 'Too many pictures are waiting. Ask again in a moment.')
        return c.json(busy, 503, { 'Retry-After': '5' })
      }
      const { wishes, path } = await received(c.req.raw, options)
      try {
        const answer = await limit(() => options.service.cutOut({ ...wishes, path }))
        metrics.count(answer.event)
        return answered(answer, wishes)
      } finally {
        await options.spill.remove(path)
      }
    } catch (error) {
      if (error instanceof RmbgError && error.family === 'usage') metrics.refuse('usage')
      throw error
    } finally {
      ended()
    }
  })
  return app
}

/** The picture on disk, and what is wanted of it. */
async function received(request: Request, { spill, maxBody, usual }: AppOptions): Promise<Received> {
  const query = Object.fromEntries(new URL(request.url).searchParams)
  const isForm = /^multipart\/form-data\b/i.test(request.headers.get('content-type') ?? '')
  if (!isForm) {
    const wishes = await wishesOf(query, usual)
    if (!request.body)
      throw new RmbgError('INPUT_EMPTY', 'The body of the request is the picture, and is empty.')
    return { wishes, path: await spill.keep(request.body as unknown as Readable, maxBody) }
  }
  const form = await request.formData().catch((cause) => {
    throw new RmbgError('USAGE', 'The form cannot be read.', { cause })
  })
  const fields: Record<string, string> = {}
  let picture: File | undefined
  for (const [name, value] of form) {
    if (typeof value === 'string') fields[name] = value
    else if (pictureFields.includes(name)) picture = value
  }
  if (!picture) {
    throw new RmbgError('USAGE', `The form has no picture in its field "${pictureFields[0]}".`)
  }
  const name = picture.name && { name: picture.name }
  const wishes = await wishesOf({ ...name, ...query, ...fields }, usual)
  return { wishes, path: await spill.keep(picture.stream() as unknown as Readable, maxBody) }
}

interface Received {
  wishes: Wishes
  path: string
}

function answered({ event, bytes }: CutoutAnswer, { what, cutout }: Wishes): Response {
  if (event.status === 'failed') return answerFailed(event)
  if (!bytes || event.status === 'planned')
    return Response.json(
      problem('OWN_CUTOUT', 'This is a cut-out or mask made by rmbg. Send the original.'),
      {
        status: 422,
      },
    )
  return new Response(bytes as Uint8Array<ArrayBuffer>, {
    headers: {
      'Content-Type': what === 'mask' ? 'image/png' : `image/${cutout.format}`,
      'X-Content-Type-Options': 'nosniff',
      'X-Rmbg-Job': event.jobId,
      'X-Rmbg-Review': event.review?.reasons.join(',') ?? '',
    },
  })
}

const answerFailed = ({ code, message, hint, jobId }: FailedEvent): Response =>
  Response.json(
    { error: { code, message, ...(hint !== undefined && { hint }), ...(jobId !== undefined && { jobId }) } },
    { status: statusFor(code) },
  )

function answerError(request: Request | undefined, error: unknown): Response {
  if (request?.signal.aborted) return new Response(null, { status: 499 })
  if ((error as Error | undefined)?.name === 'AbortError')
    return Response.json(problem('STOPPING', 'The server is being stopped. Ask again in a moment.'), {
      ...{ status: 503, headers: { 'Retry-After': '10' } },
    })
  if (!(error instanceof RmbgError)) {
    if (process.env.DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`)
    return Response.json(problem('UNEXPECTED', 'Something went wrong here.'), { status: 500 })
  }
  const { code, message } = error
  const status = statusFor(code)
  return Response.json(problem(code, message, error.hint), {
    status,
    headers: status === 503 ? { 'Retry-After': '10' } : {},
  })
}

const problem = (code: string, message: string, hint?: string) => ({
  error: { code, message, ...(hint !== undefined && { hint }) },
})

const tooLargeBody = (maxBody: number): RmbgError =>
  new RmbgError('INPUT_TOO_LARGE', `The picture is larger than ${sizeText(maxBody)}.`, {
    hint: 'Whoever runs the server can raise --max-body.',
  })
