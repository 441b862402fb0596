/** Who is let in to a review, what its pages may do, and what comes out of it without a server. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { expect, it } from 'vitest'
import { findJobs } from '../../src/database/query.ts'
import { judge, verdictsOf } from '../../src/database/verdicts.ts'
import { reviewApp } from '../../src/review/app.ts'
import type { TilePage } from '../../src/review/contract.ts'
import { contentSecurityPolicy } from '../../src/review/page-files.ts'
import { openPictures, tidyPictures } from '../../src/review/pictures.ts'
import type { Remakes } from '../../src/review/remake.ts'
import { writeStaticPage } from '../../src/review/static-page.ts'
import { applyVerdicts } from '../../src/review/verdict-file.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { sha256Of } from '../../src/system/sha256.ts'
import { onBothDatabases } from '../database/databases.ts'
import { temporaryFolder } from '../support/cli.ts'
import { picture } from '../support/images.ts'
import { makeJob } from '../support/jobs.ts'

onBothDatabases('a review', (database) => {
  const token = 'a-secret-of-this-review'
  const none = async (): Promise<never> => {
    throw new Error('Nothing is made again here.')
  }
  const remakes: Remakes = { redo: none, mend: none, putBack: none }

  async function opened(user: string) {
    const [home, cache] = [await temporaryFolder(), await temporaryFolder()]
    const store = directoryStore(home)
    const services = { database: database(), store }
    const app = reviewApp({
      token,
      database: database(),
      filter: { user },
      pictures: openPictures(services, cache),
      remakes,
      files: { script: 'page()', style: 'body{}' },
      start: { who: 'anna', filters: '', models: ['silhouette'] },
    })
    const ask = (path: string, init: RequestInit & { headers?: Record<string, string> } = {}) =>
      app.request(`http://127.0.0.1:7000${path}`, {
        ...init,
        headers: { Host: '127.0.0.1:7000', ...init.headers },
      })
    return { ...services, cache, ask }
  }

  /** A job with a real picture as its cut-out. */
  async function jobWithPicture(user: string, store: ReturnType<typeof directoryStore>, name = 'cup.jpg') {
    const { sql } = database()
    const jobId = await makeJob(sql, { user })
    const [job] = await findJobs(sql, [jobId])
    const bytes = await picture(3, 900, 600).ensureAlpha(0.5).png().toBuffer()
    await store.put(job!.processedPath!, bytes, { contentType: 'image/png', sha256: sha256Of(bytes) })
    await sql`update image_process_jobs set processed_sha256 = decode(${sha256Of(bytes)}, 'hex'),
      source_path = ${`/photos/${name}`}, needs_review = true, review = '{"reasons": ["halo"]}' where job_id = ${jobId}`
    return jobId
  }

  it('lets in who has the address, and nobody whom a foreign page or name has led here', async () => {
    const { ask } = await opened('nobody')
    const page = await ask(`/${token}/`)
    expect(page.status).toBe(200)
    expect(await page.text()).not.toMatch(/<script>|style=|onload=|https?:/)
    expect(Object.fromEntries(page.headers)).toMatchObject({
      'content-security-policy': contentSecurityPolicy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    })
    expect(contentSecurityPolicy).not.toContain('unsafe')
    expect((await ask(`/${token}`)).headers.get('location')).toBe(`/${token}/`)

    const refused: [string, Record<string, string>][] = [
      ['/', {}],
      ['/api/jobs?show=all', {}],
      [`/${token}x/api/start`, {}],
      [`/${token.toUpperCase()}/api/start`, {}],
      [`/${token}/api/start`, { Host: 'evil.example:7000' }],
      [`/${token}/api/start`, { Host: '127.0.0.1.evil.example' }],
      [`/${token}/api/start`, { Origin: 'https://evil.example' }],
      [`/${token}/api/start`, { Origin: 'null' }],
      [`/${token}/api/start`, { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' }],
    ]
    for (const [path, headers] of refused) {
      const answer = await ask(path, { headers })
      expect([path, answer.status]).toEqual([path, 403])
      expect(answer.headers.get('content-security-policy')).toBe(contentSecurityPolicy)
      expect(await answer.text()).not.toContain(token)
    }
  })

  it('takes verdicts as JSON only, and keeps who gave them', async () => {
    const user = crypto.randomUUID()
    const { ask } = await opened(user)
    const jobId = await makeJob(database().sql, { user })
    const say = (body: unknown, type = 'application/json') =>
      ask(`/${token}/api/verdicts`, {
        method: 'POST',
        headers: { 'Content-Type': type },
        body: JSON.stringify(body),
      })
    expect((await say({ jobId, verdict: 'accepted' }, 'text/plain')).status).toBe(400)
    expect((await say({ jobId, verdict: 'perfect' })).status).toBe(400)
    expect((await say({ jobId, verdict: 'accepted', by: 'somebody else' })).status).toBe(400)
    expect((await say({ jobId: '01900000-0000-7000-8000-000000000000', verdict: 'accepted' })).status).toBe(
      404,
    )
    expect((await say({ jobId, verdict: 'rejected', note: 'halo' })).status).toBe(200)
    expect(await verdictsOf(database().sql, jobId)).toMatchObject([
      { verdict: 'rejected', by: 'anna', note: 'halo' },
    ])
    const shown = async (which: string) =>
      ((await (await ask(`/${token}/api/jobs?show=${which}`)).json()) as TilePage).jobs.map(
        (job) => job.jobId,
      )
    expect([await shown('open'), await shown('rejected'), await shown('all')]).toEqual([[], [jobId], [jobId]])
    expect((await ask(`/${token}/api/jobs?show=some`)).status).toBe(400)
    expect((await ask(`/${token}/api/jobs?show=all&after=x`)).status).toBe(400)
    const redo = await ask(`/${token}/api/jobs/${jobId}/redo`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ model: '/etc/passwd', changes: {} }),
    })
    expect(redo.status).toBe(400)
  })

  it('makes a small picture once, and forgets it with its job', async () => {
    const user = crypto.randomUUID()
    const { ask, store, cache } = await opened(user)
    const jobId = await jobWithPicture(user, store)
    const first = await ask(`/${token}/thumbnails/${jobId}`)
    expect(first.headers.get('content-type')).toBe('image/webp')
    const small = Buffer.from(await first.arrayBuffer())
    expect(await sharp(small).metadata()).toMatchObject({ format: 'webp', width: 384, hasAlpha: true })
    const large = await ask(`/${token}/pictures/${jobId}/processed`)
    expect(await sharp(await large.arrayBuffer()).metadata()).toMatchObject({ format: 'png', width: 900 })
    // The object may be gone: the small picture is not made again.
    const [job] = await findJobs(database().sql, [jobId])
    await store.remove([job!.processedPath!])
    const again = await ask(`/${token}/thumbnails/${jobId}`)
    expect(Buffer.from(await again.arrayBuffer()).equals(small)).toBe(true)
    expect((await ask(`/${token}/pictures/${jobId}/processed`)).status).toBe(503)
    expect((await ask(`/${token}/pictures/${jobId}/password`)).status).toBe(404)

    const signal = new AbortController().signal
    await tidyPictures(database(), cache, signal)
    const pictures = async () =>
      (await readdir(cache, { recursive: true })).filter((name) => name.endsWith('.webp'))
    expect(await pictures()).toHaveLength(1)
    await database().sql`delete from image_process_jobs where job_id = ${jobId}`
    await tidyPictures(database(), cache, signal)
    expect(await pictures()).toEqual([])
  })

  it('writes a page that needs no server, whose verdicts come back in a file', async () => {
    const user = crypto.randomUUID()
    const { store } = await opened(user)
    const jobId = await jobWithPicture(user, store, '</script><img src=x onerror=alert(1)>.jpg')
    const other = await jobWithPicture(user, store)
    const folder = join(await temporaryFolder(), 'page')
    const write = (limit = 9, overwrite = false) =>
      writeStaticPage(
        { database: database(), store },
        { folder, filter: { user }, filters: '', limit, overwrite },
      )
    expect(await write()).toMatchObject({ jobs: 2, isCut: false, withoutPicture: 0 })
    const html = await readFile(join(folder, 'index.html'), 'utf8')
    expect(html).not.toContain('<img src=x')
    expect(html).toContain("default-src 'none'")
    expect(html.length).toBeLessThan(300_000)
    expect(await write(1)).toMatchObject({ jobs: 1, isCut: true })
    expect(await readdir(join(folder, 'pictures'))).toHaveLength(1)
    await writeFile(join(folder, 'index.html'), 'mine')
    await expect(write()).rejects.toMatchObject({ code: 'USAGE' })
    expect(await write(9, true)).toMatchObject({ jobs: 2 })

    const file = join(folder, 'verdicts.json')
    const at = '2026-11-01T10:00:00.000Z'
    const verdicts = [
      { jobId, verdict: 'rejected', at, note: 'halo' },
      { jobId: other, verdict: 'accepted', at },
      { jobId: '01900000-0000-7000-8000-000000000000', verdict: 'accepted', at },
    ]
    await writeFile(file, JSON.stringify({ rmbg: 'verdicts', version: 1, verdicts }))
    await judge(database().sql, [{ jobId: other, verdict: 'rejected', by: 'ben' }])
    const unknown = ['01900000-0000-7000-8000-000000000000']
    expect(await applyVerdicts(database(), file, 'anna')).toEqual({ stands: 1, older: 1, known: 0, unknown })
    expect(await applyVerdicts(database(), file, 'anna')).toEqual({ stands: 0, older: 0, known: 2, unknown })
    expect(await findJobs(database().sql, [jobId, other])).toMatchObject(
      [
        { jobId, verdict: 'rejected', verdictBy: 'anna', verdictNote: 'halo' },
        { jobId: other, verdict: 'rejected', verdictBy: 'ben' },
      ].sort((a, b) => (a.jobId < b.jobId ? 1 : -1)),
    )
    await writeFile(file, '{"rmbg":"something"}')
    await expect(applyVerdicts(database(), file, 'anna')).rejects.toMatchObject({ code: 'USAGE' })
  })
})
