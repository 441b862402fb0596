/** The routes of `rmbg review`. All lie below a secret that only the address of the page holds. */
import { timingSafeEqual } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { z } from 'zod'
import type { Database } from '../database/contract.ts'
import type { JobFilter } from '../database/filters.ts'
import { judge, verdicts, verdictsOf, verdictsSince } from '../database/verdicts.ts'
import { RmbgError } from '../errors.ts'
import { refusal } from '../server/guard.ts'
import { type ObjectKind, objectKinds } from '../store/contract.ts'
import { sha256Of } from '../system/sha256.ts'
import type { Start } from './contract.ts'
import { detailOf } from './detail.ts'
import { contentSecurityPolicy, icon, type PageFiles, servedPage } from './page-files.ts'
import type { Pictures } from './pictures.ts'
import type { Remakes } from './remake.ts'
import { filterOf, shownOf, tilePage, tilePlaces } from './tiles.ts'

export interface ReviewAppOptions {
  token: string
  database: Database
  filter: JobFilter
  pictures: Pictures
  remakes: Remakes
  files: PageFiles
  start: Start
}

/** A mask of 268 megapixels, the most that a browser draws, as a PNG that hardly shrinks. */
const maxMaskBytes = 300e6
const maxJsonBytes = 100_000

const statuses: Record<string, ContentfulStatusCode> = {
  USAGE: 400,
  NOT_FOUND: 404,
  DATABASE_DENIED: 403,
  REFUSED: 403,
  MASK_MISSING: 409,
}

const verdictSchema = z.strictObject({
  jobId: z.guid(),
  verdict: z.enum(verdicts),
  note: z.string().max(2000).optional(),
})
const changes = z.string().max(200).optional()
const redoSchema = z.strictObject({
  model: z.string().max(500).optional(),
  changes: z.strictObject({
    background: changes,
    shadow: changes,
    trim: changes,
    padding: changes,
    size: changes,
    refine: changes,
  }),
})
const versionSchema = z.strictObject({ jobId: z.guid() })

export function reviewApp(options: ReviewAppOptions): Hono {
  const { token, files } = options
  const app = new Hono()
  app.onError((error, c) => answerError(c.req.raw, error))
  app.notFound((c) => c.json(problem('NOT_FOUND', 'There is nothing here.'), 404))
  app.use(async (c, next) => {
    const reason = whyRefused(c, token)
    if (reason === undefined) await next()
    else c.res = c.json(problem('REFUSED', reason), 403)
    guardAnswer(c.res.headers)
  })
  const below = new Hono()
  below.onError((error, c) => answerError(c.req.raw, error))
  below.get('/icon.svg', (c) => c.body(icon, 200, { 'Content-Type': 'image/svg+xml' }))
  below.get('/app.js', (c) => c.body(files.script, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }))
  below.get('/app.css', (c) => c.body(files.style, 200, { 'Content-Type': 'text/css; charset=utf-8' }))
  readRoutes(below, options)
  writeRoutes(below, options)
  // All that the page names lies beside it, behind the slash.
  app.get(`/${token}`, (c) => c.redirect(`/${token}/`))
  app.get(`/${token}/`, (c) => c.html(servedPage))
  app.route(`/${token}`, below)
  return app
}

/** What a browser tells of a page of another site that asks, in its own name or over a name that leads here. */
function whyRefused(c: Context, token: string): string | undefined {
  const asked = { host: c.req.header('host'), origin: c.req.header('origin'), authorization: undefined }
  const foreign = refusal(asked, undefined)
  if (foreign !== undefined) return foreign
  const site = c.req.header('sec-fetch-site')
  // A person who follows the address comes from nowhere; a page that leads here only gets to open it.
  const isOpened = c.req.header('sec-fetch-mode') === 'navigate' && c.req.method === 'GET'
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isOpened)
    return 'Pages of other sites are not let in.'
  const [, given = ''] = c.req.path.split('/')
  return isSame(given, token)
    ? undefined
    : 'The address lacks the secret of this review. Use the address that rmbg review has printed.'
}

/** Digests are of one length, so that nothing is told by the time that it takes. */
const isSame = (given: string, token: string): boolean =>
  timingSafeEqual(Buffer.from(sha256Of(given)), Buffer.from(sha256Of(token)))

function guardAnswer(headers: Headers): void {
  headers.set('Content-Security-Policy', contentSecurityPolicy)
  headers.set('X-Content-Type-Options', 'nosniff')
  headers.set('Referrer-Policy', 'no-referrer')
  headers.set('Cross-Origin-Resource-Policy', 'same-origin')
  headers.set('Cross-Origin-Opener-Policy', 'same-origin')
  if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
}

function readRoutes(app: Hono, { database, filter, pictures, start }: ReviewAppOptions): void {
  const shown = (c: Context) => filterOf(filter, shownOf(c.req.query('show')))
  app.get('/api/start', (c) => c.json(start))
  app.get('/api/jobs', async (c) => c.json(await tilePage(database, shown(c), c.req.query('after'))))
  app.get('/api/places', async (c) => c.json(await tilePlaces(database, shown(c), c.req.query('after'))))
  app.get('/api/jobs/:job', async (c) => c.json(await detailOf(database, idOf(c))))
  app.get('/api/verdicts', async (c) => {
    const after = c.req.query('after')
    if (after !== undefined && !/^\d{1,15}$/.test(after)) throw new RmbgError('USAGE', 'This is no verdict.')
    return c.json(await verdictsSince(database.sql, after === undefined ? undefined : Number(after)))
  })
  app.get('/thumbnails/:job', async (c) => {
    const small = await pictures.thumbnail(idOf(c), c.req.raw.signal)
    return picture(small, 'image/webp')
  })
  app.get('/pictures/:job/:kind', async (c) => {
    const kind = objectKinds.find((each) => each === c.req.param('kind'))
    if (kind === undefined) throw new RmbgError('NOT_FOUND', 'There is no such object.')
    const { bytes, contentType } = await pictures.object(idOf(c), kind satisfies ObjectKind)
    return picture(bytes, contentType)
  })
}

function writeRoutes(app: Hono, { database, remakes, start }: ReviewAppOptions): void {
  const small = bodyLimit({ maxSize: maxJsonBytes, onError: () => tooLarge() })
  app.post('/api/verdicts', small, async (c) => {
    const given = verdictSchema.safeParse(await jsonOf(c))
    if (!given.success) throw unusable(given.error)
    const [state] = await judge(database.sql, [{ ...given.data, by: start.who }])
    if (state === 'unknown')
      throw new RmbgError('NOT_FOUND', 'This job is gone: it was pruned, or has failed since.')
    await database.flush()
    return c.json(await verdictsOf(database.sql, given.data.jobId))
  })
  app.post('/api/jobs/:job/redo', small, async (c) => {
    const given = redoSchema.safeParse(await jsonOf(c))
    if (!given.success) throw unusable(given.error)
    const { model, changes } = given.data
    if (model !== undefined && !start.models.includes(model))
      throw new RmbgError('USAGE', `There is no model ${JSON.stringify(model)} here.`)
    return c.json(await remakes.redo(idOf(c), { model, changes }))
  })
  app.post('/api/jobs/:job/version', small, async (c) => {
    const given = versionSchema.safeParse(await jsonOf(c))
    if (!given.success) throw unusable(given.error)
    return c.json(await remakes.putBack(idOf(c), given.data.jobId))
  })
  const mask = bodyLimit({ maxSize: maxMaskBytes, onError: () => tooLarge() })
  app.post('/api/jobs/:job/mask', mask, async (c) => {
    if (c.req.header('content-type') !== 'image/png') throw new RmbgError('USAGE', 'A mask is sent as a PNG.')
    return c.json(await remakes.mend(idOf(c), new Uint8Array(await c.req.arrayBuffer())))
  })
}

/** Forms of other pages cannot send this type without asking first. */
async function jsonOf(c: Context): Promise<unknown> {
  if (!/^application\/json\b/.test(c.req.header('content-type') ?? ''))
    throw new RmbgError('USAGE', 'Send JSON.')
  return c.req.json().catch((cause) => Promise.reject(new RmbgError('USAGE', 'This is no JSON.', { cause })))
}

const unusable = (error: z.ZodError): RmbgError => {
  const [issue] = error.issues
  return new RmbgError('USAGE', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not usable'}`)
}

function idOf(c: Context): string {
  const id = z.guid().safeParse(c.req.param('job'))
  if (id.success) return id.data
  throw new RmbgError('NOT_FOUND', 'There is no such job.')
}

/** A job's objects never change; what is shown of them may be kept by the browser of who has seen it. */
const picture = (bytes: Uint8Array, contentType: string): Response =>
  new Response(bytes as Uint8Array<ArrayBuffer>, {
    headers: { 'Content-Type': contentType, 'Cache-Control': 'private, max-age=3600' },
  })

const tooLarge = (): Response => Response.json(problem('USAGE', 'That is too large.'), { status: 413 })

function answerError(request: Request, error: unknown): Response {
  if (request.signal.aborted) return new Response(null, { status: 499 })
  if (!(error instanceof RmbgError)) {
    if (process.env.DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`)
    return Response.json(problem('UNEXPECTED', 'Something went wrong here.'), { status: 500 })
  }
  const { code, message, hint, family } = error
  const status = statuses[code] ?? (family === 'image' ? 422 : 503)
  return Response.json(problem(code, message, hint), { status })
}

const problem = (code: string, message: string, hint?: string) => ({
  error: { code, message, ...(hint !== undefined && { hint }) },
})
