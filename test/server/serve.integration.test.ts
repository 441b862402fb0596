/** `rmbg serve` as its callers meet it: the built program, asked over HTTP. */
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import sharp from 'sharp'
import { expect, it } from 'vitest'
import { finished, jsonLines, rmbg, start, temporaryFolder } from '../support/cli.ts'
import { picture } from '../support/images.ts'

async function served(args: string[], env: Record<string, string> = {}) {
  const home = await temporaryFolder()
  const settings = { RMBG_HOME: home, RMBG_MODEL: 'silhouette', ...env }
  const run = start(['serve', '--json', ...args], { env: settings, buffer: true })
  for await (const line of createInterface({ input: run.stdout! })) {
    const event = JSON.parse(line)
    if (event.code === 'serving') return { url: event.url as string, run, home, env: settings }
  }
  throw new Error(String((await finished(run)).stderr))
}

const code = async (response: Response) => ((await response.json()) as { error: { code: string } }).error.code

it('cuts out what is sent, stores and logs it, and ends in order', async () => {
  const { url, run, home, env } = await served(['--listen', '0', '--max-body', '1MB', '--user', 'shop'])
  const cutouts = `${url}/v1/cutouts`
  const body = await picture(1).jpeg().toBuffer()
  const post = (query: string, sent: Buffer | FormData = body, headers = {}) =>
    fetch(`${cutouts}?${query}`, { method: 'POST', body: sent as Uint8Array<ArrayBuffer>, headers })

  const first = await post('name=cup.jpg')
  expect([first.status, first.headers.get('content-type')]).toEqual([200, 'image/png'])
  const cutout = Buffer.from(await first.arrayBuffer())
  expect(await sharp(cutout).metadata()).toMatchObject({ width: 160, height: 120, channels: 4 })

  // The same again, at once and as a form: from the store, or from whoever is at it.
  const form = new FormData()
  form.set('image', new Blob([body]), 'cup.jpg')
  const same = await Promise.all([post(''), post('', form)])
  for (const each of same) {
    expect(each.headers.get('x-rmbg-job')).toBe(first.headers.get('x-rmbg-job'))
    expect(Buffer.from(await each.arrayBuffer()).equals(cutout)).toBe(true)
  }
  const mask = await post('result=mask')
  expect(await sharp(await mask.arrayBuffer()).metadata()).toMatchObject({ channels: 1 })
  const twice = await Promise.all([post('format=webp&size=50x50'), post('format=webp&size=50x50')])
  for (const each of twice)
    expect(await sharp(await each.arrayBuffer()).metadata()).toMatchObject({ format: 'webp', width: 50 })

  expect(await code(await post('', Buffer.from('no picture')))).toBe('INPUT_UNSUPPORTED')
  expect(await code(await post('', cutout))).toBe('OWN_CUTOUT')
  expect(await code(await post('', Buffer.alloc(2_000_000)))).toBe('INPUT_TOO_LARGE')
  expect(await code(await post('background=/etc/passwd'))).toBe('USAGE')
  expect(await code(await post('', body, { Origin: 'https://evil.example' }))).toBe('REFUSED')
  expect((await fetch(cutouts)).status).toBe(404)
  expect(await (await fetch(`${url}/healthz`)).text()).toBe('ok\n')
  expect(await (await fetch(`${url}/readyz`)).text()).toBe('ready\n')
  const metrics = await (await fetch(`${url}/metrics`)).text()
  expect(metrics).toContain('rmbg_server_images_total{status="completed",code=""} 2')
  expect(metrics.trimEnd().endsWith('# EOF')).toBe(true)

  // A picture in work when the server is told to end is answered.
  const last = post('format=avif')
  await expect
    .poll(async () => (await (await fetch(`${url}/metrics`)).text()).includes('in_work 1'))
    .toBe(true)
  run.kill('SIGTERM')
  expect((await last).status).toBe(200)
  expect((await finished(run)).status).toBe(0)
  const rows = jsonLines((await rmbg(['query', '--ndjson'], { env })).stdout)
  expect(rows.map(({ status, userId }) => [status, userId]).sort()).toEqual([
    ...Array(3).fill(['completed', 'shop']),
    ['failed', 'shop'],
  ])
  expect(await readdir(join(home, 'store'))).toEqual(
    expect.arrayContaining(['mask', 'original', 'processed']),
  )
})

it('lets other machines in with a token, and keeps nothing where nothing is to be kept', async () => {
  const token = 'a long enough secret'
  const { url, run, home } = await served(['--listen', '0.0.0.0:0', '--keep', 'none'], {
    RMBG_SERVER_TOKEN: token,
  })
  const body = (await picture(1).jpeg().toBuffer()) as Uint8Array<ArrayBuffer>
  const refused = await fetch(`${url}/v1/cutouts`, { method: 'POST', body })
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
  const headers = { Authorization: `Bearer ${token}` }
  const made = await fetch(`${url}/v1/cutouts`, { method: 'POST', body, headers })
  expect(await sharp(await made.arrayBuffer()).metadata()).toMatchObject({ format: 'png' })
  run.kill('SIGTERM')
  await once(run, 'exit')
  const stored = await readdir(join(home, 'store'), { recursive: true, withFileTypes: true })
  expect(stored.filter((entry) => entry.isFile()).map(({ name }) => name)).toEqual(['rmbg-owner.json'])
  expect(await readFile(join(home, 'store/rmbg-owner.json'), 'utf8')).not.toContain(token)
})

it.each([
  [['--listen', '0.0.0.0:7000'], 'RMBG_SERVER_TOKEN'],
  [['--listen', 'here'], 'is no address'],
])('refuses %j in one sentence', async (args, said) => {
  const { status, stderr } = await rmbg(['serve', ...args], { env: { RMBG_HOME: await temporaryFolder() } })
  expect(status).toBe(2)
  expect(stderr).toContain(said)
})
