/** `rmbg watch` of a bucket: a real Ceph RGW tells of new objects, with all that can go wrong on the way. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { finished, jsonLines, start } from '../support/cli.ts'
import { describeServers, freshInstallation, type Installation } from '../support/fixture-installation.ts'
import { picture } from '../support/images.ts'
import { jobRows } from '../support/job-rows.ts'
import { notifyOf } from '../support/notifications.ts'
import { freshBucket, s3Endpoint } from '../support/servers.ts'

const secret = 'known to the bucket alone'

/** Between RGW and the watcher: refuses, repeats and delays, and counts what was acknowledged. */
async function badNetwork() {
  let target: string | undefined
  let seen = 0
  const kept: string[] = []
  const post = async (body: string): Promise<number> => {
    if (target === undefined) return 503
    const answer = await fetch(`${target}?secret=${encodeURIComponent(secret)}`, {
      method: 'POST',
      body,
    }).catch(() => undefined)
    return answer?.status ?? 503
  }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    // Every third is refused, every fourth comes twice, and an old one comes once more after it.
    const turn = ++seen
    if (turn % 3 === 1) {
      response.writeHead(503).end()
      return
    }
    const status = await post(body)
    if (turn % 4 === 0) await post(body)
    if (status === 200) {
      const old = kept[turn % 2]
      kept.push(body)
      if (old !== undefined) await post(old)
    }
    response.writeHead(status).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    leadTo: (url: string | undefined) => {
      target = url
    },
    acknowledged: () => kept.length,
    close: () => server.close(),
  }
}

describeServers('rmbg watch of a bucket', () => {
  let installation: Installation
  let bucket: string
  let client: S3Client
  const put = async (Key: string, seed: number) =>
    client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: await picture(seed).jpeg().toBuffer() }))
  beforeAll(async () => {
    installation = await freshInstallation({ migrated: true })
    ;({ bucket } = await freshBucket())
    client = new S3Client({ endpoint: s3Endpoint!, region: 'us-east-1', forcePathStyle: true })
  })
  afterAll(async () => {
    client.destroy()
    await installation.close()
  })

  /** Starts watching; `url` is where notifications are taken. */
  async function watching(...args: string[]) {
    const run = start(['watch', `s3://${bucket}/in/`, '--json', ...args], {
      ...{ cwd: installation.folder, env: { ...installation.env, RMBG_WATCH_SECRET: secret } },
    })
    onTestFinished(() => void run.kill('SIGKILL'))
    let text = ''
    run.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    const events = () => jsonLines(text.slice(0, text.lastIndexOf('\n') + 1))
    const images = (status: string) =>
      events()
        .filter((event) => event.type === 'image' && event.status === status)
        .map(({ input }) => input.slice(`s3://${bucket}/`.length))
        .sort()
    const listening = () => events().find(({ code }) => code === 'listening')?.url as string | undefined
    await expect.poll(listening, { timeout: 60_000 }).toBeDefined()
    return { run, url: listening()!, events, images }
  }

  it('loses nothing and does nothing twice: refused, doubled, out of order, and killed in between', async () => {
    const network = await badNetwork()
    const topic = await notifyOf(bucket, network.address, true)
    try {
      const keys = Array.from({ length: 12 }, (_, index) => `in/a b+${index} ü%41.jpg`)
      const first = await watching('--listen', '0', '--list-every', '1h')
      network.leadTo(first.url)
      await put('out/not-meant.jpg', 99)
      await Promise.all(keys.slice(0, 6).map((key, index) => put(key, index + 1)))
      // RGW begins to send from a new topic after up to a minute.
      await expect.poll(() => first.images('completed').length, { timeout: 150_000 }).toBeGreaterThan(2)
      first.run.kill('SIGKILL')
      network.leadTo(undefined)
      await Promise.all(keys.slice(6).map((key, index) => put(key, index + 7)))
      await put('in/deleted.jpg', 50)
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'in/deleted.jpg' }))
      const second = await watching('--listen', '0', '--list-every', '1h')
      network.leadTo(second.url)
      const rows = async () =>
        (await jobRows(installation.sql)).filter(({ status }) => status === 'completed')
      await expect.poll(async () => (await rows()).length, { timeout: 90_000 }).toBe(12)
      // What comes now, nobody has listed.
      await put('in/late.jpg', 60)
      await put('in/changed.jpg', 61)
      await put('in/changed.jpg', 62)
      await expect
        .poll(() => second.images('completed'), { timeout: 90_000 })
        .toEqual(expect.arrayContaining(['in/late.jpg', 'in/changed.jpg']))
      // All that RGW has kept is taken in the end.
      await expect.poll(network.acknowledged, { timeout: 90_000 }).toBeGreaterThan(15)
      second.run.kill('SIGTERM')
      expect((await finished(second.run)).status).toBe(0)
      expect(second.events().at(-1)).toMatchObject({ type: 'summary', failed: 0 })
      const done = await rows()
      expect(new Set(done.map(({ source_path }) => source_path))).toEqual(
        new Set([...keys, 'in/late.jpg', 'in/changed.jpg'].map((key) => `s3://${bucket}/${key}`)),
      )
      const contents = done.map(({ content_sha256 }) => String(content_sha256))
      expect(contents).toHaveLength(new Set(contents).size)
      expect(
        first
          .events()
          .concat(second.events())
          .map(({ code }) => code),
      ).toContain('notification-ignored')
    } finally {
      await topic.remove()
      network.close()
    }
  })
})
