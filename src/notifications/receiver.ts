/** Notifications that are sent to this machine over HTTP. */
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { RmbgError } from '../errors.ts'
import type { Arrivals } from '../process/watch/arrivals.ts'
import { isSame, refusal } from '../server/guard.ts'
import { closeUnread } from '../server/listening.ts'
import { addProbes } from '../server/probes.ts'
import { type ObjectNotice, parseNotification } from './parse.ts'

export interface ReceiverOptions {
  arrivals: Pick<Arrivals, 'hasRoom' | 'add'>
  /** Whether one of the inputs stands for the object. */
  covers: (bucket: string, key: string) => boolean
  /** Undefined: programs on this machine may send. */
  secret: string | undefined
  /** Asked by `/readyz`: throws while database or store do not answer. Notifications wait for them. */
  check: () => Promise<void>
  /** Aborts when no more are taken. */
  signal: AbortSignal
  /** Says yes to a subscription; what it throws is told to the sender. */
  confirm: (address: string) => Promise<void>
  /** Told of a subscription that was confirmed, and of notifications of objects that no input stands for. */
  onNews: (news: 'subscribed' | ObjectNotice) => void
}

/** Bytes; what S3, SNS and EventBridge send is a quarter of this at most. */
const maxBody = 2 ** 20
export const notificationsPath = '/v1/notifications'

/**
 * The answer is 200 only for what waits to be looked at. What is answered otherwise has to be sent again: 503 while
 * there is no room or the program ends, 4xx where sending it again is of no use.
 */
export function receiverApp(options: ReceiverOptions): Hono {
  const { arrivals, check, signal, confirm, onNews } = options
  const app = new Hono()
  closeUnread(app)
  addProbes(app, async () => {
    if (!arrivals.hasRoom()) throw new RmbgError('REFUSED', 'Too many notifications wait.')
    await check()
  })
  app.onError((error, c) => {
    if (error instanceof RmbgError && error.family === 'usage')
      return c.json(problem(error.code, error.message), error.code === 'USAGE' ? 400 : 403)
    const code = error instanceof RmbgError ? error.code : 'UNEXPECTED'
    return c.json(problem(code, 'Something is in the way. Send it again.'), 503, { 'Retry-After': '10' })
  })
  app.notFound((c) =>
    c.json(problem('NOT_FOUND', `There is nothing here. POST notifications to ${notificationsPath}.`), 404),
  )
  app.use(notificationsPath, async (c, next) => {
    const reason = refused(c.req.raw, options.secret)
    if (reason !== undefined) return c.json(problem('REFUSED', reason), 401, { 'WWW-Authenticate': 'Bearer' })
    return next()
  })
  const tooLarge = () => Response.json(problem('USAGE', 'No notification is that large.'), { status: 413 })
  app.post(notificationsPath, bodyLimit({ maxSize: maxBody, onError: tooLarge }), async (c) => {
    // Before it is read: whoever sends it again sends all of it.
    if (signal.aborted || !arrivals.hasRoom())
      return c.json(problem('BUSY', 'No more notifications are taken now. Send it again.'), 503, {
        'Retry-After': '5',
      })
    const notification = parseNotification(await c.req.text())
    if ('confirm' in notification) {
      await confirm(notification.confirm)
      onNews('subscribed')
      return c.json({ confirmed: true })
    }
    return c.json(accept(notification, c.req.raw.headers, options))
  })
  return app
}

function accept(
  { objects, ignored }: { objects: ObjectNotice[]; ignored: number },
  headers: Headers,
  { arrivals, covers, onNews }: ReceiverOptions,
): { taken: number; ignored: number } {
  const trace = ['traceparent', 'tracestate'].map((name) => [name, headers.get(name)] as const)
  const carrier = Object.fromEntries(
    trace.flatMap(([name, value]) => (value === null ? [] : [[name, value]])),
  )
  let taken = 0
  for (const notice of objects) {
    const [first, ...others] = notice.keys.filter((key) => covers(notice.bucket, key))
    if (first === undefined) {
      onNews(notice)
      continue
    }
    arrivals.add({
      bucket: notice.bucket,
      keys: [first, ...others],
      message: { id: first, carrier },
      settle: () => {},
    })
    taken++
  }
  return { taken, ignored: ignored + objects.length - taken }
}

/** In a header, as a token or a password, or in the query: senders differ in what they can send. */
function refused(request: Request, secret: string | undefined): string | undefined {
  const header = (name: string) => request.headers.get(name) ?? undefined
  if (secret === undefined)
    return refusal({ host: header('host'), origin: header('origin'), authorization: undefined }, undefined)
  const [, scheme = '', credentials = ''] = /^(\w+) +(.+)$/.exec(header('authorization') ?? '') ?? []
  const given = [
    new URL(request.url).searchParams.get('secret') ?? '',
    scheme.toLowerCase() === 'bearer' ? credentials : '',
    scheme.toLowerCase() === 'basic' ? passwordIn(credentials) : '',
  ]
  // All of them are compared, so that nothing is told by which one it was.
  const matches = given.map((each) => isSame(each, secret))
  return matches.includes(true)
    ? undefined
    : 'Send the secret: Authorization: Bearer …, or ?secret=… in the address.'
}

const passwordIn = (credentials: string): string =>
  Buffer.from(credentials, 'base64')
    .toString()
    .replace(/^[^:]*:/, '')

const problem = (code: string, message: string) => ({ error: { code, message } })
