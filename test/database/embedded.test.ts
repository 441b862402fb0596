/** The embedded database against real processes: those that hold it, die with it, or want it at the same moment. */
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEmbedded } from '../../src/database/embedded.ts'
import { lockFolder } from '../../src/database/lock.ts'
import { temporaryFolder } from '../support/cli.ts'
import { line, startProcess } from './processes/process.ts'

describe('the lock of a folder', () => {
  it('refuses everybody while its process lives, and says who it is', async () => {
    const folder = join(await temporaryFolder(), 'database')
    const holder = startProcess('lock.ts', folder)
    expect(await line(holder)).toBe('held')
    await expect(lockFolder(folder)).rejects.toMatchObject({
      code: 'DATABASE_LOCKED',
      message: expect.stringMatching(new RegExp(`process ${holder.pid}, since \\d{4}-\\d\\d-\\d\\dT`)),
      hint: expect.stringContaining('DATABASE_URL'),
    })
  })

  it('refuses a second taker within one process', async () => {
    const folder = join(await temporaryFolder(), 'database')
    const release = await lockFolder(folder)
    await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'DATABASE_LOCKED' })
    await release()
    await (await lockFolder(folder))()
  })

  it('is taken over at once from a process that was killed', async () => {
    const folder = join(await temporaryFolder(), 'database')
    const holder = startProcess('lock.ts', folder)
    await line(holder)
    await holder.kill()
    await (await lockFolder(folder))()
    expect(await readdir(`${folder}.lock`)).toEqual([])
  })

  it('left by a dead process goes to exactly one of six that want it at the same moment', async () => {
    const folder = join(await temporaryFolder(), 'database')
    const dead = startProcess('lock.ts', folder)
    await line(dead)
    await dead.kill()
    const answers = await Promise.all(Array.from({ length: 6 }, () => line(startProcess('lock.ts', folder))))
    expect(answers.sort()).toEqual([...Array(5).fill('DATABASE_LOCKED'), 'held'])
  })

  it('is not blocked for ever by an announcement that nobody finished', async () => {
    const folder = join(await temporaryFolder(), 'database')
    await (await lockFolder(folder))()
    const abandoned = join(`${folder}.lock`, '4194305-abandoned')
    await writeFile(abandoned, '')
    await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'DATABASE_LOCKED' })
    await utimes(abandoned, 0, Date.now() / 1000 - 60)
    await (await lockFolder(folder))()
  })
})

describe('the embedded database', () => {
  let folder: string
  let home: string
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'rmbg-test-'))
    folder = join(home, 'database')
    await (await openEmbedded(folder)).close()
  })
  afterAll(() => rm(home, { recursive: true }))

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

  it('loses no acknowledged row when its process is killed in the middle of writes', async () => {
    for (let round = 0; round < 3; round++) {
      const writer = startProcess('insert.ts', folder)
      expect(await line(writer)).toBe('open')
      const stopAt = Date.now() + 150 + round * 200
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

  it('is whole or not there when its creation is killed', async () => {
    const young = join(await temporaryFolder(), 'database')
    const creator = startProcess('insert.ts', young)
    while (!existsSync(join(young, 'cluster.new', 'PG_VERSION'))) await sleep(5)
    await creator.kill()
    expect(existsSync(join(young, 'cluster'))).toBe(false)
    await (await openEmbedded(young)).close()
  })
})
