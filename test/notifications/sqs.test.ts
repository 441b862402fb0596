/** Messages of SQS, from a stand-in for it (see test/support/sqs-server.ts): AWS itself is not tested here. */
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { consume } from '../../src/notifications/consume.ts'
import { openQueue } from '../../src/notifications/sqs.ts'
import { type Arrival, openArrivals } from '../../src/process/watch/arrivals.ts'
import { patience } from '../../src/system/patience.ts'
import { openTelemetry } from '../../src/telemetry/open.ts'
import { sqsServer } from '../support/sqs-server.ts'

const record = (key: string, eventName = 'ObjectCreated:Put') => ({
  ...{ eventSource: 'aws:s3', eventName },
  s3: { bucket: { name: 'shop' }, object: { key } },
})
const text = (...keys: string[]) => JSON.stringify({ Records: keys.map((key) => record(key)) })

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
})

async function consuming({ patienceMs = 0 } = {}) {
  const server = await sqsServer()
  const queue = openQueue({ url: server.url, region: undefined, patience: patience({ forMs: patienceMs }) })
  const source = { system: 'aws_sqs', destination: queue.name }
  const telemetry = await openTelemetry({ source, metrics: undefined, check: async () => {} })
  const arrivals = openArrivals(1000, () => {})
  const news: unknown[] = []
  const stop = new AbortController()
  const begin = () =>
    consume({
      ...{ queue, arrivals, telemetry, signal: stop.signal, onNews: (each) => news.push(each) },
      covers: (bucket, key) => bucket === 'shop' && key.startsWith('in/'),
    })
  /** As a watch does at its end. */
  const end = async (consumer: ReturnType<typeof consume>) => {
    stop.abort()
    await consumer.received
    for (const { settle } of arrivals.take(1000)) settle('release')
    await consumer.drained()
  }
  onTestFinished(async () => {
    stop.abort()
    queue.close()
    await server.close()
  })
  const taken = async (count: number) => {
    const all: Arrival[] = []
    await expect.poll(() => all.push(...arrivals.take(1000)) && all.length, { timeout: 10_000 }).toBe(count)
    return all
  }
  return { server, queue, telemetry, news, begin, end, taken, waiting: () => arrivals.waiting }
}

describe('messages of a queue', () => {
  it('are deleted when all that they tell of is dealt with, and not before', async () => {
    const { server, begin, end, taken, news, telemetry } = await consuming()
    server.send(text('in/a.jpg', 'in/b.jpg'))
    server.send(text('out/c.jpg'))
    server.send(JSON.stringify({ Event: 's3:TestEvent' }))
    const consumer = begin()
    const [a, b] = await taken(2)
    // What no input stands for is done.
    await expect.poll(server.left).toEqual({ messages: 1, visible: 0 })
    a?.settle('complete')
    expect(server.left().messages).toBe(1)
    b?.settle('complete')
    await expect.poll(server.left).toEqual({ messages: 0, visible: 0 })
    expect(news).toEqual([{ bucket: 'shop', keys: ['out/c.jpg'] }])
    await end(consumer)
    expect((await telemetry.figures()).text).toContain('rmbg_worker_messages_total{settlement="complete"} 3')
  })

  it('stay hidden where something is in the way, and are given back at the end', async () => {
    const { server, queue, begin, end, taken, news } = await consuming()
    server.send(text('in/a.jpg', 'in/b.jpg'))
    server.send('no notification')
    server.send(text('in/c.jpg'))
    const consumer = begin()
    const [a, b, c] = await taken(3)
    a?.settle('complete')
    b?.settle('release')
    expect(news).toEqual(['unreadable'])
    // None of them comes again at once: whatever is wrong would be wrong again.
    expect(await queue.depth()).toEqual({ waiting: 0, active: 3 })
    const ending = end(consumer)
    // In work until now.
    c?.settle('release')
    await ending
    expect(server.left()).toEqual({ messages: 3, visible: 1 })
  })

  it('that wait when the watching ends are there for the next one at once', async () => {
    const { server, begin, end, waiting } = await consuming()
    for (let index = 0; index < 25; index++) server.send(text(`in/${index}.jpg`))
    const consumer = begin()
    await expect.poll(waiting, { timeout: 10_000 }).toBe(25)
    await end(consumer)
    expect(server.left()).toEqual({ messages: 25, visible: 25 })
  })

  it('are kept from others for as long as they are worked on', async () => {
    const { server, queue } = await consuming()
    server.send(text('in/a.jpg'))
    const [message] = await queue.receive(10, new AbortController().signal)
    await queue.hide([message?.handle ?? ''], 300)
    const hidden = server.asked.find(({ action }) => action === 'ChangeMessageVisibilityBatch')
    expect(hidden?.body.Entries).toEqual([
      { Id: '0', ReceiptHandle: message?.handle, VisibilityTimeout: 300 },
    ])
    expect(server.left()).toEqual({ messages: 1, visible: 0 })
    // More than a request takes.
    await queue.remove(Array.from({ length: 23 }, (_, index) => `none-${index}`))
    const sizes = server.asked.filter(({ action }) => action === 'DeleteMessageBatch')
    expect(sizes.map(({ body }) => (body.Entries as unknown[]).length)).toEqual([10, 10, 3])
  })
})

describe('a queue', () => {
  it('that is away is waited for, and one that says no is not', async () => {
    const { server, queue } = await consuming({ patienceMs: 20_000 })
    const { signal } = new AbortController()
    server.send(text('in/a.jpg'))
    server.fail(4, 503, 'com.amazonaws.sqs#ServiceUnavailable')
    expect(await queue.receive(1, signal)).toHaveLength(1)
    server.fail(1, 400, 'com.amazonaws.sqs#QueueDoesNotExist')
    await expect(queue.receive(1, signal)).rejects.toMatchObject({ code: 'USAGE' })
    server.fail(1, 403, 'com.amazonaws.sqs#AccessDenied')
    await expect(queue.receive(1, signal)).rejects.toMatchObject({ code: 'STORE_DENIED' })
  })

  it('that is away for too long ends the watching with a sentence', async () => {
    const { server, begin } = await consuming()
    server.fail(100, 503, 'com.amazonaws.sqs#ServiceUnavailable')
    await expect(begin().received).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('The queue pictures cannot be reached'),
    })
  })

  it('is asked for nothing once the watching ends', async () => {
    const { queue } = await consuming()
    const stop = new AbortController()
    const receiving = queue.receive(10, stop.signal)
    stop.abort()
    expect(await receiving).toEqual([])
  })

  it.each([
    'pictures',
    'ftp://host/queue',
    'https://sqs.eu-central-1.amazonaws.com/',
    'https://me:pw@host/1/q',
  ])('has an address, and %s is none', (url) => {
    expect(() => openQueue({ url, region: undefined, patience: patience({ forMs: 0 }) })).toThrow('--sqs')
  })
})
