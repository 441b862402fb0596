import { describe, expect, it } from 'vitest'
import { RmbgError } from '../../src/errors.ts'
import { notificationsPath, type ReceiverOptions, receiverApp } from '../../src/notifications/receiver.ts'
import { openArrivals } from '../../src/process/watch/arrivals.ts'

const secret = 'a long enough secret'
const body = (...keys: string[]) =>
  JSON.stringify({
    Records: keys.map((key) => ({
      ...{ eventSource: 'ceph:s3', eventName: 'ObjectCreated:Put' },
      s3: { bucket: { name: 'shop' }, object: { key } },
    })),
  })

function receiver({ most = 100, ...options }: Partial<ReceiverOptions> & { most?: number } = {}) {
  const arrivals = openArrivals(most, () => {})
  const news: unknown[] = []
  const app = receiverApp({
    ...{ arrivals, secret, check: async () => {}, confirm: async () => {} },
    signal: new AbortController().signal,
    covers: (bucket, key) => bucket === 'shop' && key.startsWith('in/'),
    onNews: (each) => news.push(each),
    ...options,
  })
  const post = async (
    text: string,
    { headers = {}, query = '' }: { headers?: object; query?: string } = {},
  ) => {
    const response = await app.request(`http://127.0.0.1${notificationsPath}${query}`, {
      ...{ method: 'POST', body: text },
      headers: { Host: '127.0.0.1', ...headers },
    })
    return { status: response.status, answer: await response.json(), headers: response.headers }
  }
  const authorized = (text: string) => post(text, { headers: { Authorization: `Bearer ${secret}` } })
  return { app, arrivals, news, post, authorized }
}

const waiting = ({ arrivals }: ReturnType<typeof receiver>) => arrivals.take(100).map(({ keys }) => keys)

describe('the receiver of notifications', () => {
  it('takes what inputs stand for, once each, and says of what is ignored which it was', async () => {
    const one = receiver()
    const { status, answer } = await one.authorized(body('in/a.jpg', 'in/b.jpg', 'out/c.jpg'))
    expect([status, answer]).toEqual([200, { taken: 2, ignored: 1 }])
    await one.authorized(body('in/b.jpg'))
    expect(waiting(one)).toEqual([['in/a.jpg'], ['in/b.jpg']])
    expect(one.news).toEqual([{ bucket: 'shop', keys: ['out/c.jpg'] }])
  })

  it.each([
    ['a token', { headers: { Authorization: `Bearer ${secret}` } }],
    ['a password', { headers: { Authorization: `Basic ${btoa(`rmbg:${secret}`)}` } }],
    ['a part of the address', { query: `?secret=${encodeURIComponent(secret)}` }],
  ])('takes the secret as %s', async (_, given) => {
    expect((await receiver().post(body('in/a.jpg'), given)).status).toBe(200)
  })

  it.each([
    ['none', {}],
    ['an empty one', { query: '?secret=' }],
    ['another one', { headers: { Authorization: 'Bearer something else' } }],
    ['a beginning of it', { query: `?secret=${secret.slice(0, -1)}` }],
  ])('lets nobody in with %s, and does not repeat what was sent', async (_, given) => {
    const one = receiver()
    const { status, answer } = await one.post(body('in/a.jpg'), given)
    expect(status).toBe(401)
    expect(JSON.stringify(answer)).not.toContain('something else')
    expect(waiting(one)).toEqual([])
  })

  it('without a secret lets in programs of this machine, and no page of another site', async () => {
    const one = receiver({ secret: undefined })
    expect((await one.post(body('in/a.jpg'))).status).toBe(200)
    expect((await one.post(body('in/a.jpg'), { headers: { Origin: 'https://evil.example' } })).status).toBe(
      401,
    )
    expect((await one.post(body('in/a.jpg'), { headers: { Host: 'evil.example' } })).status).toBe(401)
  })

  it('asks to send again while there is no room, and when it ends', async () => {
    const full = receiver({ most: 2 })
    expect((await full.authorized(body('in/a.jpg', 'in/b.jpg', 'in/c.jpg'))).status).toBe(200)
    const { status, headers, answer } = await full.authorized(body('in/d.jpg'))
    expect([status, headers.get('retry-after'), answer]).toMatchObject([
      503,
      '5',
      { error: { code: 'BUSY' } },
    ])
    expect((await full.app.request('/readyz')).status).toBe(503)
    expect(waiting(full)).toHaveLength(3)
    expect((await full.authorized(body('in/d.jpg'))).status).toBe(200)
    const ending = receiver({ signal: AbortSignal.abort() })
    expect((await ending.authorized(body('in/a.jpg'))).status).toBe(503)
    expect(waiting(ending)).toEqual([])
  })

  it('refuses what is no notification, and what is larger than any', async () => {
    const one = receiver()
    expect((await one.authorized('no JSON')).status).toBe(400)
    expect((await one.authorized('x'.repeat(2 ** 20 + 1))).status).toBe(413)
    expect((await one.app.request('/')).status).toBe(404)
  })

  it('confirms a subscription only to who knows the secret, and tells when that failed', async () => {
    const confirmed: string[] = []
    const text = JSON.stringify({ Type: 'SubscriptionConfirmation', SubscribeURL: 'https://sns' })
    const one = receiver({ confirm: async (address) => void confirmed.push(address) })
    expect((await one.post(text)).status).toBe(401)
    expect(confirmed).toEqual([])
    expect((await one.authorized(text)).answer).toEqual({ confirmed: true })
    expect([confirmed, one.news]).toEqual([['https://sns'], ['subscribed']])
    const refusing = receiver({
      confirm: async () => Promise.reject(new RmbgError('REFUSED', 'It is no address of SNS.')),
    })
    expect((await refusing.authorized(text)).status).toBe(403)
  })
})
