/** Two databases and one store: what is not one's own is never touched, and the way out is told. */
import { execFile } from 'node:child_process'
import { cp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { describe, expect, it, onTestFinished } from 'vitest'
import { findTool } from '../../src/database/pg-tools.ts'
import { s3Store } from '../../src/store/s3/index.ts'
import { rmbg } from '../support/cli.ts'
import { describeServers, freshInstallation, type Installation } from '../support/fixture-installation.ts'
import { freshWorkspace } from '../support/fixture-workspace.ts'
import { picture } from '../support/images.ts'
import { makeJob } from '../support/jobs.ts'
import { freshBucket, freshDatabase, migratedDatabase, s3Endpoint } from '../support/servers.ts'

const wayOut = /S3_BUCKET, S3_PREFIX or RMBG_HOME.*--take-over/

/** An installation with a job of each age, some of them old enough for `prune`. */
async function withJobs(): Promise<Installation> {
  const installation = await freshInstallation({ migrated: true })
  onTestFinished(() => installation.close())
  for (const ageDays of [1, 2, 300, 400]) {
    await makeJob(installation.sql, { ageDays, store: installation.store, tags: ['keep'] })
  }
  return installation
}

/** Another database, migrated, in the settings of the first: its bucket included. */
async function beside(first: Installation) {
  const { url, drop } = await migratedDatabase()
  onTestFinished(drop)
  const run = (args: string[], more: Record<string, string> = {}) =>
    first.run(args, { DATABASE_URL: url, ...more })
  return { url, run }
}

const nameOf = (url: string) => new URL(url).pathname.slice(1)

/** A copy of a database by PostgreSQL's own tools. */
async function copiedByDump(from: string): Promise<string> {
  const { url, drop } = await freshDatabase()
  onTestFinished(drop)
  const [dump, restore] = [await findTool('pg_dump', 12), await findTool('pg_restore', 12)]
  const { stdout } = await promisify(execFile)(dump, ['--format=custom', from], {
    encoding: 'buffer',
    maxBuffer: 2 ** 26,
  })
  const running = promisify(execFile)(restore, ['--no-owner', '--dbname', url])
  running.child.stdin!.end(stdout)
  await running
  return url
}

async function aPicture(folder: string, name = 'new.jpg'): Promise<string> {
  await picture(Math.random() * 1000)
    .jpeg()
    .toFile(join(folder, name))
  return name
}

describeServers('a bucket that belongs to another database', () => {
  it('loses nothing to orphans, prune or bucket, which say whose it is and the way out', async () => {
    const first = await withJobs()
    const { url, run } = await beside(first)
    const sql = postgres(url, { max: 1, onnotice: () => {} })
    onTestFinished(() => sql.end())
    await makeJob(sql, { ageDays: 300 })
    const before = await first.bucket.keys()
    for (const args of [
      ['orphans', '--grace', '0s', '--max-share', '100%', '--yes'],
      ['orphans', '--dry-run'],
      ['prune', '--max-share', '100%', '--yes'],
      ['bucket', '--archive-class', 'none', '--yes'],
    ]) {
      const { status, stderr } = await run(args)
      expect([args, status]).toEqual([args, 2])
      expect(stderr).toContain(`/${nameOf(first.database.url)}. This database is `)
      expect(stderr).toContain(`/${nameOf(url)}.`)
      expect(stderr).toMatch(wayOut)
      expect(stderr).not.toContain(new URL(url).password || 'no password')
    }
    expect(await first.bucket.keys()).toEqual(before)
    expect(await sql`select 1 from image_process_jobs`).toHaveLength(1)
  })

  it('takes no picture of process, which says so before it begins', async () => {
    const first = await withJobs()
    const { run } = await beside(first)
    const before = await first.bucket.keys()
    const { status, stderr } = await run(['process', await aPicture(first.folder)])
    expect([status, stderr]).toEqual([2, expect.stringMatching(wayOut)])
    expect((await run(['process', 'new.jpg', '--dry-run'])).status).toBe(0)
    expect(await first.bucket.keys()).toEqual(before)
    const apart = await run(['process', 'new.jpg'], { S3_PREFIX: 'second' })
    expect(apart.status, apart.stderr).toBe(0)
    expect((await first.bucket.keys()).filter((key) => key.startsWith('second/'))).toHaveLength(4)
  })
})

describeServers('a restored database beside its original', () => {
  it('may read the objects of the original, and neither write nor delete', async () => {
    const first = await withJobs()
    expect((await first.run(['process', await aPicture(first.folder)])).status).toBe(0)
    await first.run(['backup', '--to', 'vault', '--objects'])
    const { url, drop } = await freshDatabase()
    onTestFinished(drop)
    const run = (args: string[]) => first.run(args, { DATABASE_URL: url })
    const restored = await run(['restore', 'vault'])
    expect(restored.status, restored.stderr).toBe(0)
    const before = await first.bucket.keys()
    const read = await run(['query', '--tag', 'keep', '--download', 'fetched', '--kind', 'mask'])
    expect(read.status, read.stderr).toBe(0)
    expect((await run(['process', 'new.jpg', '--from-mask', '--dry-run'])).status).toBe(0)
    for (const args of [
      ['prune', '--max-share', '100%', '--yes'],
      ['orphans', '--grace', '0s', '--yes'],
      ['process', 'new.jpg', '--from-mask', '--background', 'red'],
      ['process', 'new.jpg', '--force'],
      ['restore', 'vault', '--objects'],
    ]) {
      const { status, stderr } = await run(args)
      expect([args, status, stderr]).toEqual([args, 2, expect.stringMatching(wayOut)])
    }
    expect(await first.bucket.keys()).toEqual(before)
    expect((await first.run(['prune', '--yes'])).status, 'the original may').toBe(0)
  })

  it('takes the store over when it is told that the original is gone', async () => {
    const first = await withJobs()
    await first.run(['backup', '--to', 'vault', '--objects'])
    const { url, drop } = await freshDatabase()
    onTestFinished(drop)
    const run = (args: string[]) => first.run(args, { DATABASE_URL: url })
    expect((await run(['restore', 'vault'])).status).toBe(0)
    const unanswered = await run(['prune', '--take-over'])
    expect([unanswered.status, unanswered.stderr]).toEqual([2, expect.stringContaining('--yes')])
    const pruned = await run(['prune', '--take-over', '--yes'])
    expect(pruned.status, pruned.stderr).toBe(0)
    expect(await first.bucket.keys()).toHaveLength(6)
    expect((await run(['orphans', '--yes'])).status).toBe(0)
    const late = await first.run(['process', await aPicture(first.folder)])
    expect([late.status, late.stderr]).toEqual([2, expect.stringContaining(`/${nameOf(url)}.`)])
  })

  it('has the store from the beginning when restore takes it over', async () => {
    const first = await withJobs()
    await first.run(['backup', '--to', 'vault', '--objects'])
    const [lost] = await first.bucket.keys()
    await first.store.remove([lost!])
    const { url, drop } = await freshDatabase()
    onTestFinished(drop)
    const run = (args: string[]) => first.run(args, { DATABASE_URL: url })
    const restored = await run(['restore', 'vault', '--objects', '--take-over'])
    expect(restored.status, restored.stderr).toBe(0)
    expect(restored.stdout).toContain('1 of them put back')
    expect((await run(['prune', '--yes'])).status).toBe(0)
  })
})

describeServers('a copy by pg_dump and pg_restore', () => {
  it('is told from its original, which stays the owner', async () => {
    const first = await withJobs()
    const url = await copiedByDump(first.database.url)
    const before = await first.bucket.keys()
    const { status, stderr } = await first.run(['prune', '--yes'], { DATABASE_URL: url })
    expect([status, stderr]).toEqual([2, expect.stringMatching(wayOut)])
    expect(await first.bucket.keys()).toEqual(before)
    expect((await first.run(['orphans', '--yes'])).status).toBe(0)
  })
})

describeServers('a bucket that says nothing of its owner', () => {
  it('and holds objects wants an explicit word, once', async () => {
    const first = await withJobs()
    const store = s3Store({ bucket: first.bucket.bucket, endpoint: s3Endpoint! })
    onTestFinished(() => store.close())
    await store.remove(['rmbg-owner.json'])
    const name = await aPicture(first.folder)
    for (const args of [
      ['process', name],
      ['prune', '--yes'],
      ['orphans', '--yes'],
    ]) {
      const { status, stderr } = await first.run(args)
      expect([args, status, stderr]).toEqual([args, 2, expect.stringContaining('holds objects')])
    }
    expect((await first.run(['process', name, '--take-over'])).status).toBe(0)
    expect((await first.run(['orphans', '--yes'])).status).toBe(0)
  })

  it('and is empty belongs to the first run, of several at once too', async () => {
    const bucket = await freshBucket()
    const installation = await freshInstallation({ migrated: true })
    onTestFinished(() => installation.close())
    const name = await aPicture(installation.folder)
    const runs = await Promise.all([1, 2].map(() => installation.run(['process', name], bucket.env)))
    expect(runs.map(({ status }) => status)).toEqual([0, 0])
    const { run } = await beside(installation)
    expect((await run(['process', name], bucket.env)).status).toBe(2)
  })

  it('is claimed in each of several buckets', async () => {
    const installation = await freshInstallation({ migrated: true })
    onTestFinished(() => installation.close())
    const masks = await freshBucket()
    const env = { S3_BUCKET_MASK: masks.bucket }
    const name = await aPicture(installation.folder)
    expect((await installation.run(['process', name], env)).status).toBe(0)
    const { run } = await beside(installation)
    const elsewhere = await freshBucket()
    const { status, stderr } = await run(['process', name], { ...elsewhere.env, ...env })
    expect([status, stderr]).toEqual([2, expect.stringContaining(masks.bucket)])
  })
})

describeServers('S3_BUCKET', () => {
  it('with a prefix says how to write it', async () => {
    const { status, stderr } = await rmbg(['query'], { env: { S3_BUCKET: 'plain/products' } })
    expect(status).toBe(2)
    expect(stderr).toContain('set S3_BUCKET=plain and S3_PREFIX=products')
  })
})

describe('an embedded database with its store in one home', () => {
  it('works on in silence after it was moved or copied', async () => {
    const { folder, home } = await freshWorkspace()
    const at = (name: string, ...args: string[]) =>
      rmbg(args, { cwd: folder, env: { RMBG_HOME: join(folder, name) } })
    await rename(home, join(folder, '.a'))
    expect((await at('.a', 'process', 'photos/cup.jpg')).status).toBe(0)
    await rename(join(folder, '.a'), join(folder, '.b'))
    await cp(join(folder, '.b'), join(folder, '.c'), { recursive: true })
    for (const name of ['.b', '.c']) {
      const { status, stderr } = await at(name, 'process', 'photos')
      expect([status, stderr]).toEqual([0, expect.not.stringContaining('belongs')])
      expect((await at(name, 'orphans', '--yes')).status).toBe(0)
    }
    const ids = await Promise.all(
      ['.b', '.c'].map(
        async (name) =>
          JSON.parse(await readFile(join(folder, name, 'store/rmbg-owner.json'), 'utf8')).installation,
      ),
    )
    expect(ids[0]).not.toBe(ids[1])
  })

  it('refuses the store of a database that was removed', async () => {
    const { home, run } = await freshWorkspace()
    expect((await run('process', 'photos/cup.jpg')).status).toBe(0)
    await rm(join(home, 'database'), { recursive: true })
    const { status, stderr } = await run('process', 'photos/cup.jpg')
    expect([status, stderr]).toEqual([2, expect.stringContaining('another database that was at')])
    expect((await run('process', 'photos/cup.jpg', '--take-over')).status).toBe(0)
    await writeFile(join(home, 'store/rmbg-owner.json'), 'damaged')
    expect((await run('process', 'photos/cup.jpg')).status).toBe(2)
  })
})
