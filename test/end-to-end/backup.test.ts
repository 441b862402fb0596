/**
 * `rmbg backup` and `rmbg restore`: what was backed up comes back, and a backup that is none never looks like one. How
 * they are killed: test/faults/upkeep.test.ts.
 */
import { chmod, cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { takeBackup } from '../../src/backup/take.ts'
import { connectServer } from '../../src/database/connect.ts'
import { applyMigrations, shippedMigrations } from '../../src/database/migrate.ts'
import { findTool } from '../../src/database/pg-tools.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { sha256Of } from '../../src/system/sha256.ts'
import { start, temporaryFolder } from '../support/cli.ts'
import { describeServers, freshInstallation, type Installation } from '../support/fixture-installation.ts'
import { freshWorkspace } from '../support/fixture-workspace.ts'
import { expectInvariants, jobRows } from '../support/job-rows.ts'
import { makeJob } from '../support/jobs.ts'
import { describeWith, freshBucket, freshDatabase } from '../support/servers.ts'

const rotten = Buffer.from('not what was written')

let installation: Installation
const json = async (args: string[], env: Record<string, string> = {}) => {
  const { status, stdout, stderr } = await installation.run([...args, '--json'], env)
  return { status, stderr, result: stdout === '' ? undefined : JSON.parse(stdout) }
}
const backupsIn = async (folder: string) =>
  (await readdir(folder).catch(() => [])).filter((name) => /^\d{4}-/.test(name)).sort()
const anotherDatabase = async () => {
  const { url, drop } = await freshDatabase()
  return { url, name: new URL(url).pathname.slice(1), drop }
}
const withJobs = async () => {
  installation = await freshInstallation({ migrated: true })
  for (let index = 0; index < 4; index++)
    await makeJob(installation.sql, { store: installation.store, tags: ['spring'] })
  await makeJob(installation.sql, { status: 'failed', store: installation.store })
}

describeServers('rmbg backup of a server', () => {
  let vault: string
  beforeAll(async () => {
    await withJobs()
    vault = join(installation.folder, 'backups')
  })
  afterAll(() => installation.close())

  it('dumps the database, copies the objects and drills', async () => {
    const { status, stdout } = await installation.run(['backup', '--to', vault, '--objects', '--drill'])
    expect(status).toBe(0)
    expect(stdout).toContain('database  5 jobs')
    expect(stdout).toMatch(/objects {3}12, .* 12 copied now/)
    expect(stdout).toMatch(/drill {5}restored in .* s, same rows; 12 objects checked/)
    expect(await installation.sql`select datname from pg_database where datname like 'rmbg_drill_%'`).toEqual(
      [],
    )
    const verified = await installation.run(['backup', 'verify', vault])
    expect(verified.stdout).toContain('is intact: the dump and 12 objects')
  })

  it('copies only what is new the next time, and says when it was not drilled', async () => {
    await makeJob(installation.sql, { store: installation.store })
    const { stdout } = await installation.run(['backup', '--objects'], { RMBG_BACKUP_TO: vault })
    expect(stdout).toMatch(/objects {3}15, .* 3 copied now/)
    expect(stdout).toContain('not done: use --drill')
    const listed = await installation.run(['backup', 'list', vault])
    expect(listed.stdout.split('\n')[2]).toMatch(/PostgreSQL \d+ .* 6 +15, .* never$/)
  })

  it('restores into an empty database, and into no other', async () => {
    const refused = await installation.run(['restore', vault])
    expect(refused.status).toBe(2)
    expect(refused.stderr).toContain('is not empty')
    expect(refused.stderr).toContain('--into')

    const name = 'rmbg_restored'
    const bucket = await freshBucket()
    const admin = postgres(installation.database.url, { max: 1 })
    await admin`drop database if exists ${admin(name)}`
    try {
      const first = await json(['restore', vault, '--into', name, '--objects'], bucket.env)
      expect(first.status).toBe(0)
      expect(first.result).toMatchObject({ restored: true, objects: { count: 15, copied: 15, missing: 0 } })
      const again = await json(['restore', vault, '--into', name, '--objects'], bucket.env)
      expect(again.result).toMatchObject({ restored: false, objects: { count: 15, copied: 0 } })
      const url = new URL(installation.database.url)
      url.pathname = `/${name}`
      const restored = connectServer(url.href)
      const { s3Store } = await import('../../src/store/s3/index.ts')
      const store = s3Store({ bucket: bucket.bucket, endpoint: bucket.env.S3_ENDPOINT! })
      const rows = await expectInvariants(restored.sql, store)
      expect(rows).toEqual(await jobRows(installation.sql))
      await restored.close()
      await store.close()
      const used = await installation.run(['query', '--tag', 'spring', '--ndjson'], {
        DATABASE_URL: url.href,
      })
      expect(used.stdout.split('\n')).toHaveLength(4)
    } finally {
      await admin`drop database if exists ${admin(name)}`
      await admin.end()
    }
  })

  it('of an earlier release, which lacks a migration, comes back with its objects too', async () => {
    const [old, target, bucket] = [await freshDatabase(), await anotherDatabase(), await freshBucket()]
    const database = connectServer(old.url)
    const shipped = await shippedMigrations()
    await applyMigrations(database, { shipped: shipped.slice(0, -1) })
    const store = directoryStore(await temporaryFolder())
    await makeJob(database.sql, { store })
    const location = await temporaryFolder()
    await takeBackup(
      { database, store, vault: { store: directoryStore(location), location } },
      {
        ...{ program: 'test', objects: true, drill: false, keepLast: undefined, keepDays: undefined },
        ...{ signal: new AbortController().signal, onObject: () => {}, onStep: () => {} },
      },
    )
    const restore = () =>
      json(['restore', location, '--objects'], { ...bucket.env, DATABASE_URL: target.url })
    const restored = await restore()
    expect(restored.status, restored.stderr).toBe(0)
    expect(restored.result).toMatchObject({ restored: true, objects: { count: 3, copied: 3 } })
    // As after an interruption.
    expect((await restore()).result).toMatchObject({ restored: false, objects: { count: 3, copied: 0 } })
    await database.close()
    await old.drop()
    await target.drop()
  })

  it('knows a damaged backup, and does not restore it', async () => {
    const [oldest] = await backupsIn(vault)
    const dump = join(vault, oldest!, 'database.dump')
    const bytes = await readFile(dump)
    bytes[bytes.length >> 1]! ^= 1
    await writeFile(dump, bytes)
    const verified = await installation.run(['backup', 'verify', join(vault, oldest!)])
    expect(verified.status).toBe(5)
    expect(verified.stdout).toContain('The dump is not what was written.')
    const target = await anotherDatabase()
    const restored = await installation.run(['restore', join(vault, oldest!)], { DATABASE_URL: target.url })
    expect(restored.status).toBe(5)
    expect(restored.stderr).toContain('damaged')
    await target.drop()
  })

  it('tells of objects that are not in the store any more', async () => {
    const [row] = await jobRows(installation.sql)
    await installation.store.remove([row!.original_path])
    const elsewhere = join(installation.folder, 'elsewhere')
    const { status, stderr } = await installation.run(['backup', '--to', elsewhere, '--objects'])
    expect(status).toBe(5)
    expect(stderr).toContain(row!.original_path)
  })

  it('tells of objects that are not what was written, backs everything else up, and keeps the copies it has', async () => {
    const row = (await jobRows(installation.sql)).find(({ status }) => status === 'completed')!
    const key = row.mask_path!
    const whole = await buffer(await installation.store.get(key))
    await installation.store.put(key, rotten, { contentType: 'image/png', sha256: sha256Of(rotten) })
    const folder = join(installation.folder, 'rotten')
    const { status, result } = await json(['backup', '--to', folder, '--objects'])
    expect(status).toBe(5)
    expect(result).toMatchObject({ damaged: 1, manifest: { objects: { damaged: 1 } } })
    expect(result.copied).toBe(result.manifest.objects.count - result.missing - 1)
    const verified = await installation.run(['backup', 'verify', folder])
    expect(verified.stdout).toContain(`The object ${key} is missing.`)
    const again = await installation.run(['backup', '--to', folder, '--objects'])
    expect(again.stderr).toContain(`Damaged in the store: 1 object of completed jobs, such as ${key}.`)

    // Once more to where there is a copy from before: it stays.
    await installation.run(['backup', '--to', vault, '--objects'])
    expect(await readFile(join(vault, 'objects', key))).toEqual(whole)
    await installation.store.put(key, whole, { contentType: 'image/png', sha256: sha256Of(whole) })
  })

  it('puts back all objects but those whose copy is damaged, and names one', async () => {
    const folder = join(installation.folder, 'scratched')
    await installation.run(['backup', '--to', folder, '--objects'])
    const row = (await jobRows(installation.sql)).findLast(({ status }) => status === 'completed')!
    await writeFile(join(folder, 'objects', row.mask_path!), rotten)
    const [target, bucket] = [await anotherDatabase(), await freshBucket()]
    const { status, stderr } = await installation.run(['restore', folder, '--objects'], {
      ...bucket.env,
      DATABASE_URL: target.url,
    })
    expect(status).toBe(5)
    expect(stderr, 'with the one that the store had lost').toContain(
      'Missing or damaged in the backup: 2 objects, such as',
    )
    const keys = await bucket.keys()
    expect(keys).not.toContain(row.mask_path)
    expect(keys).toEqual(expect.arrayContaining([row.original_path, row.processed_path]))
    await target.drop()
  })

  it('keeps as many as it is told, with their objects and no others', async () => {
    const folder = join(installation.folder, 'kept')
    const doomed = await makeJob(installation.sql, { store: installation.store, ageDays: 900 })
    for (const _ of [1, 2]) await installation.run(['backup', '--to', folder, '--objects'])
    await installation.run(['prune', '--older-than', '800d', '--yes'])
    const { result } = await json(['backup', '--to', folder, '--objects', '--keep-last', '1'])
    expect(result.removed).toHaveLength(2)
    expect(await backupsIn(folder)).toEqual([result.manifest.backupId])
    const objects = (await readdir(join(folder, 'objects'), { recursive: true })).filter((name) =>
      /\.\w+$/.test(name),
    )
    expect(objects.some((name) => name.includes(doomed))).toBe(false)
    expect(objects).toHaveLength(result.manifest.objects.count - result.missing)
    // The newest always stays.
    await installation.run(['backup', '--to', folder, '--keep-days', '1', '--keep-last', '1'])
    expect(await backupsIn(folder)).toHaveLength(2)
  })

  it('knows the newer of two backups of one second', async () => {
    const folder = join(installation.folder, 'quick')
    const { manifest } = (await json(['backup', '--to', folder])).result
    const newer = {
      ...manifest,
      backupId: manifest.backupId.replace(/[0-9a-f]{6}$/, '000000'),
      createdAt: new Date(Date.parse(manifest.createdAt) + 1).toISOString(),
    }
    await cp(join(folder, manifest.backupId), join(folder, newer.backupId), { recursive: true })
    await writeFile(join(folder, newer.backupId, 'manifest.json'), JSON.stringify(newer))
    const listed = await json(['backup', 'list', folder])
    expect(listed.result.map(({ backupId }: { backupId: string }) => backupId)).toEqual([
      manifest.backupId,
      newer.backupId,
    ])
    expect((await installation.run(['backup', 'verify', folder])).stdout).toContain(
      `${newer.backupId} is intact`,
    )
  })

  it('tells prune which backups still refer to a job', async () => {
    await makeJob(installation.sql, { store: installation.store, ageDays: 900 })
    await installation.run(['backup', '--to', join(installation.folder, 'bare')])
    const { backups } = (await json(['prune', '--dry-run'])).result.plan
    expect(backups[0]).toMatchObject({ withObjects: false })
    expect(backups.length).toBeGreaterThan(1)
    expect((await installation.run(['prune', '--dry-run'])).stdout).toContain('no copy of the objects')
  })

  it('writes to a bucket, copying within the server', async () => {
    const bucket = await freshBucket()
    const to = `s3://${bucket.bucket}/rmbg`
    const { status, result } = await json(['backup', '--to', to, '--objects'])
    expect(status, 'one object is missing').toBe(5)
    expect(result.copied).toBe(result.manifest.objects.count - result.missing)
    expect((await bucket.keys()).every((key) => key.startsWith('rmbg/'))).toBe(true)
    expect((await json(['backup', 'list', to])).result).toHaveLength(1)
  })

  it('needs no right to write', async () => {
    const role = `rmbg_reader_${crypto.randomUUID().slice(0, 8)}`
    const { sql } = installation
    await sql`create role ${sql(role)} login`
    await sql`grant select on all tables in schema public to ${sql(role)}`
    await sql`grant select on all sequences in schema public to ${sql(role)}`
    const url = new URL(installation.database.url)
    url.username = role
    const to = join(installation.folder, 'by-a-reader')
    const { status, stderr } = await installation.run(['backup', '--to', to], { DATABASE_URL: url.href })
    await sql`drop owned by ${sql(role)}`
    await sql`drop role ${sql(role)}`
    expect(status, stderr).toBe(0)
    expect(stderr).toContain('may not write')
    expect((await installation.run(['backup', 'verify', to])).status).toBe(0)
  })

  it('shows no password to the machine: pg_dump gets it by its environment', async () => {
    const folder = await temporaryFolder()
    const real = await findTool('pg_dump', 12)
    const log = join(folder, 'seen')
    const script = `#!/bin/sh\nprintf '%s\\n' "$*" >>"${log}"\nexec "${real}" "$@"\n`
    await writeFile(join(folder, 'pg_dump'), script)
    await chmod(join(folder, 'pg_dump'), 0o755)
    const url = new URL(installation.database.url)
    url.password = 'hunter2-hunter2'
    const { status, stdout, stderr } = await installation.run(
      ['backup', '--to', join(folder, 'b'), '--json'],
      {
        PATH: `${folder}:${process.env.PATH}`,
        DATABASE_URL: url.href,
      },
    )
    expect(status, stderr).toBe(0)
    expect(await readFile(log, 'utf8')).toContain('--format=custom')
    for (const text of [await readFile(log, 'utf8'), stdout, stderr]) expect(text).not.toContain('hunter2')
    const [backup] = await backupsIn(join(folder, 'b'))
    expect(await readFile(join(folder, 'b', backup!, 'manifest.json'), 'utf8')).not.toContain('hunter2')
  })
})

describeServers('rmbg backup, stopped', () => {
  beforeAll(withJobs)
  afterAll(() => installation.close())

  it('by Ctrl-C says so, and is no backup', async () => {
    const vault = join(installation.folder, 'stopped')
    const run = start(['backup', '--to', vault], { cwd: installation.folder, env: installation.env })
    await new Promise<void>((resolve) => run.stderr!.on('data', (text) => /Dumping/.test(text) && resolve()))
    run.kill('SIGINT')
    const { exitCode, stderr } = await run
    expect([exitCode, String(stderr)]).toEqual([130, expect.stringContaining('Stopped')])
    expect((await json(['backup', 'list', vault])).result).toEqual([])
  })
})

describe('pg_dump', () => {
  it('that is older than the server is refused, with what to install', async () => {
    await expect(findTool('pg_dump', 99)).rejects.toMatchObject({
      message: expect.stringMatching(/too old for this server \(PostgreSQL 99\)|not installed/),
      hint: expect.stringContaining('postgresql-client-99'),
    })
  })
})

describe('rmbg backup of the embedded database', () => {
  it('restores into another home, with the objects', async () => {
    const { run, folder, rows } = await freshWorkspace()
    await run('process', 'photos', '--tag', 'spring')
    const vault = join(folder, 'vault')
    const taken = await run('backup', '--to', vault, '--objects', '--drill')
    expect(taken.status, taken.stderr).toBe(0)
    expect(taken.stdout).toContain('same rows; 9 objects checked')
    expect((await run('stats')).status, 'the session is as it was').toBe(0)
    const other = await freshWorkspace()
    const restored = await other.run('restore', vault, '--objects')
    expect(restored.status, restored.stderr).toBe(0)
    expect(await other.rows()).toEqual(await rows())
    const occupied = await freshWorkspace()
    await occupied.run('process', 'photos')
    expect((await occupied.run('restore', vault)).status).toBe(2)
  })
})

describeWith('RMBG_TEST_DATABASE_URL')('the way from the embedded database to a server', () => {
  it('is a backup and a restore', async () => {
    const { run, folder, rows } = await freshWorkspace()
    await run('process', 'photos', '--tag', 'spring')
    await run('backup', '--to', join(folder, 'vault'))
    const target = await anotherDatabase()
    const { rmbg } = await import('../support/cli.ts')
    const env = { RMBG_HOME: join(folder, '.home'), DATABASE_URL: target.url }
    // The folder store was that of the embedded database.
    const restored = await rmbg(['restore', join(folder, 'vault'), '--take-over'], { cwd: folder, env })
    expect(restored.status, restored.stderr).toBe(0)
    expect((await rmbg(['migrate', '--status'], { cwd: folder, env })).status).toBe(0)
    const server = connectServer(target.url)
    expect(await jobRows(server.sql)).toEqual(await rows())
    await server.close()
    const again = await rmbg(['process', 'photos'], { cwd: folder, env })
    expect(again.stdout, again.stderr).toContain('0 completed, 3 skipped')
    await target.drop()
  })
})
