/** The lock of the embedded database, between real processes. */
import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lockFolder } from '../../src/database/embedded-lock.ts'
import { temporaryFolder } from '../support/cli.ts'
import { line, startProcess } from './processes/process.ts'

describe('the lock of a folder', () => {
  it('refuses everybody while its process lives, and says who it is', async () => {
    const folder = join(await temporaryFolder(), 'database')
    const holder = startProcess('lock.ts', [folder])
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
    const holder = startProcess('lock.ts', [folder])
    await line(holder)
    await holder.kill()
    await (await lockFolder(folder))()
    expect(await readdir(`${folder}.lock`)).toEqual([])
  })

  it('left by a dead process goes to exactly one of six that want it at the same moment', async () => {
    const folder = join(await temporaryFolder(), 'database')
    const dead = startProcess('lock.ts', [folder])
    await line(dead)
    await dead.kill()
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => line(startProcess('lock.ts', [folder]))),
    )
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
