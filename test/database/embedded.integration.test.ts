/** The embedded database, in processes that live and in processes that are killed. */
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEmbedded } from '../../src/database/embedded.ts'
import { withDatabase } from '../../src/database/errors.ts'
import { usedHeap } from '../support/used-heap.ts'
import { line, startProcess } from './processes/process.ts'

describe('the embedded database', () => {
  let folder: string
  let home: string
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'rmbg-test-'))
    folder = join(home, 'database')
  })
  afterAll(() => rm(home, { recursive: true }))

  it('is whole or not there when its creation is killed', async () => {
    const creator = startProcess('insert.ts', [folder], { RMBG_FAIL_POINT: 'database:made' })
    await creator.child
    expect(existsSync(join(folder, 'cluster.new', 'PG_VERSION'))).toBe(true)
    expect(existsSync(join(folder, 'cluster'))).toBe(false)
    await (await openEmbedded(folder)).close()
    expect(existsSync(join(folder, 'cluster.new'))).toBe(false)
  })

  it('is bound to the release of PGlite that is installed', async () => {
    const installed = new URL('../../node_modules/@electric-sql/pglite/package.json', import.meta.url)
    const { version } = JSON.parse(await readFile(installed, 'utf8'))
    expect((await readFile(join(folder, 'pglite-version'), 'utf8')).trim()).toBe(version)
  })

  // PGlite itself kept each row for ever: 1.6 kB an image.
  it('keeps nothing of what it has answered', async () => {
    const database = await openEmbedded(folder)
    const ask = async () => {
      for (let i = 0; i < 300; i++) await database.sql`select repeat('x', 100000)`
      return usedHeap()
    }
    try {
      const before = await ask()
      expect((await ask()) - before).toBeLessThan(5e6)
    } finally {
      await database.close()
    }
  })

  it('is private to its user', async () => {
    for (const path of [folder, join(folder, 'cluster'), `${folder}.lock`]) {
      expect((await stat(path)).mode & 0o777).toBe(0o700)
    }
  })

  it('migrates itself, closes within a second, and keeps what was written', async () => {
    const database = await openEmbedded(folder)
    await database.sql`insert into tags (name) values ('kept')`
    await database.flush()
    const closing = performance.now()
    await database.close()
    expect(performance.now() - closing).toBeLessThan(1000)
    const again = await openEmbedded(folder)
    expect(await again.sql`select name from tags where name = 'kept'`).toHaveLength(1)
    await again.close()
  })

  it('gives every query its own answer, errors of others in between', async () => {
    const { sql, close } = await openEmbedded(folder)
    const ask = (n: number) => [
      sql`select 10 / ${n}::int as v`,
      sql`select ${n} as v from ${sql(n === 0 ? 'nowhere' : 'pg_am')} limit 1`,
      sql.unsafe(`select 10 / ${n} as v`).simple(),
    ]
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.allSettled([1, 0, 2, 0, 0, 5].flatMap(ask))
      const values = answers.map((answer) =>
        answer.status === 'fulfilled' ? Number(answer.value[0]?.v) : answer.reason.code,
      )
      const failed = ['22012', '42P01', '22012']
      expect(values).toEqual([10, 1, 10, ...failed, 5, 2, 5, ...failed, ...failed, 2, 5, 2])
    }
    await close()
  })

  it('vacuums and analyses at a flush what changed much, as no background process does it', async () => {
    const { sql, flush, close } = await openEmbedded(folder)
    await sql`insert into tags (name) select 'tag ' || i from generate_series(1, 2000) i`
    await sql`delete from tags where name like 'tag %'`
    await flush()
    const [tags] = await sql`
      select n_dead_tup::int as dead, n_mod_since_analyze::int as changed from pg_stat_user_tables where relname = 'tags'`
    expect(tags).toEqual({ dead: 0, changed: 0 })
    await close()
  })

  it('loads pgcrypto for migrations and restores alone, as nothing else needs it', async () => {
    const digest = async (migrate: boolean) => {
      const { sql, close } = await openEmbedded(folder, { migrate })
      return sql`select encode(digest('', 'md5'), 'hex') as md5`.finally(close)
    }
    await expect(digest(true)).rejects.toMatchObject({ message: expect.stringContaining('pgcrypto') })
    expect(await digest(false)).toEqual([{ md5: 'd41d8cd98f00b204e9800998ecf8427e' }])
    // Opened without migrating, it may have been restored: it has to be looked at again.
    expect(await digest(true)).toHaveLength(1)
  })

  it('written by another release of PGlite is refused', async () => {
    const version = join(folder, 'pglite-version')
    await writeFile(version, '0.9.9\n')
    await expect(openEmbedded(folder)).rejects.toMatchObject({
      code: 'DATABASE_TOO_NEW',
      message: expect.stringContaining('0.9.9'),
    })
    await writeFile(version, '0.5.8\n')
    await (await openEmbedded(folder)).close()
  })

  it('that cannot be there is refused with a sentence', async () => {
    const file = join(home, 'file')
    await writeFile(file, '')
    await expect(openEmbedded(join(file, 'database'))).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
      message: expect.stringContaining(file),
    })
  })

  it('whose disk fails says so and ends, and has what it acknowledged when the disk is back', async () => {
    const { sql, close } = await openEmbedded(folder)
    await sql`insert into tags (name) values ('before the failure')`
    const log = join(folder, 'cluster', 'pg_wal')
    await rename(log, `${log}.gone`)
    await sql`select pg_switch_wal()`
    const failure = { code: 'DATABASE_UNAVAILABLE', message: expect.stringMatching(/stopped: .*pg_wal/) }
    const writing = withDatabase(() => sql`insert into tags (name) values ('after')`)
    await expect(writing).rejects.toMatchObject(failure)
    await expect(sql`select 1`, 'nothing waits for a dead database').rejects.toMatchObject(failure)
    await close()
    await rename(`${log}.gone`, log)
    const again = await openEmbedded(folder)
    expect(await again.sql`select 1 from tags where name = 'before the failure'`).toHaveLength(1)
    await again.close()
  })

  it('loses no acknowledged row when its process is killed in the middle of writes', async () => {
    for (let round = 0; round < 2; round++) {
      const writer = startProcess('insert.ts', [folder])
      expect(await line(writer)).toBe('open')
      const stopAt = Date.now() + 200 + round * 300
      let acknowledged = 0
      while (Date.now() < stopAt) acknowledged = Number(await line(writer))
      await writer.kill()
      const { sql, close } = await openEmbedded(folder)
      const [numbers] = await sql`select count(*)::int as count, max(n) as last from numbers`
      expect(numbers!.count).toBe(numbers!.last)
      expect(numbers!.count).toBeGreaterThanOrEqual(acknowledged)
      await close()
    }
  })

  it('has the whole of a migration or nothing when its migrator is killed', async () => {
    const migrations = join(home, 'migrations')
    await cp(new URL('../../migrations/', import.meta.url), migrations, { recursive: true })
    await writeFile(
      join(migrations, '9999_long.sql'),
      'create table long (n integer); insert into long select generate_series(1, 20000000);',
    )
    const migrator = startProcess('migrate.ts', [folder, migrations])
    expect(await line(migrator)).toBe('open')
    await sleep(300)
    await migrator.kill()
    const { sql, close } = await openEmbedded(folder)
    expect(await sql`select to_regclass('long') as long`).toEqual([{ long: null }])
    await close()
  })
})
