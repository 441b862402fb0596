/**
 * A stand-in for Amazon SQS: a real HTTP server that speaks its JSON protocol, with visibility timeouts, receipt handles
 * and long polling. There is no SQS to test with; what AWS itself does beyond this is not tested.
 */
import { createHash, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Stored {
  id: string
  body: string
  /** Of the last time it was received; another one deletes nothing. */
  handle: string
  visibleAt: number
  receives: number
}

interface Entry {
  Id: string
  ReceiptHandle: string
  VisibilityTimeout?: number
}

const md5 = (text: string) => createHash('md5').update(text).digest('hex')

export async function sqsServer() {
  let messages: Stored[] = []
  /** Requests that fail with this status before they do anything. */
  let failing = { count: 0, status: 500, type: 'com.amazonaws.sqs#InternalError' }
  const asked: { action: string; at: number; body: Record<string, unknown> }[] = []
  const ready = () => messages.filter(({ visibleAt }) => visibleAt <= Date.now())
  const each = (entries: Entry[], act: (message: Stored, entry: Entry) => void) => ({
    Successful: entries.flatMap((entry) => {
      const message = messages.find(({ handle }) => handle === entry.ReceiptHandle)
      if (message) act(message, entry)
      return { Id: entry.Id }
    }),
    Failed: [],
  })
  // biome-ignore lint/suspicious/noExplicitAny: each action has a body of its own
  const actions: Record<string, (body: any, isGone: () => boolean) => unknown> = {
    ReceiveMessage: async ({ MaxNumberOfMessages, VisibilityTimeout, WaitTimeSeconds }, isGone) => {
      // Shorter than the real one, so that tests need not wait for its end.
      const until = Date.now() + Math.min(Number(WaitTimeSeconds), 1) * 1000
      while (ready().length === 0 && Date.now() < until && !isGone())
        await new Promise((go) => setTimeout(go, 20))
      const taken = (isGone() ? [] : ready()).slice(0, Number(MaxNumberOfMessages))
      for (const message of taken) {
        message.handle = randomUUID()
        message.visibleAt = Date.now() + Number(VisibilityTimeout) * 1000
        message.receives++
      }
      return {
        Messages: taken.map(({ id, body, handle }) => ({
          ...{ MessageId: id, Body: body, ReceiptHandle: handle, MD5OfBody: md5(body) },
        })),
      }
    },
    DeleteMessageBatch: ({ Entries }) =>
      each(Entries, (message) => {
        messages = messages.filter((other) => other !== message)
      }),
    ChangeMessageVisibilityBatch: ({ Entries }) =>
      each(Entries, (message, { VisibilityTimeout = 0 }) => {
        message.visibleAt = Date.now() + VisibilityTimeout * 1000
      }),
    GetQueueAttributes: () => ({
      Attributes: {
        ApproximateNumberOfMessages: String(ready().length),
        ApproximateNumberOfMessagesNotVisible: String(messages.length - ready().length),
      },
    }),
  }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const action = String(request.headers['x-amz-target']).split('.')[1] ?? ''
    const body = JSON.parse(Buffer.concat(chunks).toString())
    asked.push({ action, at: Date.now(), body })
    response.setHeader('Content-Type', 'application/x-amz-json-1.0')
    if (failing.count-- > 0) {
      response.writeHead(failing.status).end(JSON.stringify({ __type: failing.type, message: 'No' }))
      return
    }
    response.end(JSON.stringify(await actions[action]?.(body, () => response.destroyed)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/000000000000/pictures`,
    asked,
    send: (body: string) => {
      messages.push({ id: randomUUID(), body, handle: '', visibleAt: 0, receives: 0 })
    },
    /** Messages that are not deleted, and how many of them somebody may receive now. */
    left: () => ({ messages: messages.length, visible: ready().length }),
    fail: (count: number, status: number, type: string) => {
      failing = { count, status, type }
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
