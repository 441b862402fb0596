/** `rmbg prune`, `rmbg backup` and `rmbg restore`, killed at every step. */
import { createHash } from 'node:crypto'
import { access, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { v7 as uuidv7 } from 'uuid'
import { expect, it } from 'vitest'
import { objectKey } from '../../src/store/keys.ts'
import { makeJob } from '../support/jobs.ts'
import { jobRows } from '../support/records.ts'
import { freshBucket, freshDatabase } from '../support/servers.ts'
import { backupPlaces, placesIn, prunePlaces, restorePlaces } from './places.ts'
import { expectRecoverable, expectWhole, inBothWorlds, killedAt, type World } from './worlds.ts'

inBothWorlds('rmbg prune', (world, worldName) => {
  const [removal] = prunePlaces.filter(({ command }) => command === 'orphans')

  it.each(placesIn(prunePlaces, worldName).filter((place) => place !== removal))(
    'killed at $at loses nothing that should stay; run again it finishes',
    async ({ at }) => {
      const { young, gone } = await world().change(async (sql, store) => ({
        young: await makeJob(sql, { store }),
        gone: [
          await makeJob(sql, { ageDays: 300, store }),
          await makeJob(sql, { ageDays: 301, store }),
          await makeJob(sql, { ageDays: 300, status: 'failed', store }),
        ],
      }))
      const command = ['prune', '--failed-older-than', '30d', '--max-share', '100%', '--yes']
      // Completed jobs are one batch, failed ones the next.
      await killedAt(world(), `${at}@1`, command)
      const left = await world().look(expectRecoverable)
      expect(left.map(({ job_id }) => job_id)).toEqual(expect.arrayContaining([young, gone[2]]))
      gone.push(await world().change((sql, store) => makeJob(sql, { ageDays: 310, store })))
      await killedAt(world(), `${at}@2`, command)
      await world().look(expectRecoverable)
      const { status, stderr } = await world().run(command)
      expect(status, stderr).toBe(0)
      const remaining = (await world().look(expectWhole)).map(({ job_id }) => job_id)
      expect(remaining).toContain(young)
      for (const job of gone) expect(remaining).not.toContain(job)
    },
  )

  it('rmbg orphans killed at orphans:removed is finished by running it again', async () => {
    await world().change(async (sql, store) => {
      await makeJob(sql, { ageDays: 1, store })
      const sha256 = createHash('sha256').update('x').digest('hex')
      for (const kind of ['original', 'mask'] as const) {
        await store.put(objectKey(kind, uuidv7(), 'png'), Buffer.from('x'), {
          contentType: 'image/png',
          sha256,
        })
      }
    })
    const command = ['orphans', '--grace', '0s', '--max-share', '100%', '--yes']
    await killedAt(world(), removal!.at, command)
    expect((await world().run(command)).status).toBe(0)
    await world().look(expectWhole)
  })
})

const json = async (world: World, args: string[], more: Record<string, string> = {}) => {
  const { status, stdout, stderr } = await world.run([...args, '--json'], more)
  expect(status, stderr).toBe(0)
  return JSON.parse(stdout)
}
const listed = async (world: World, vault: string): Promise<string[]> =>
  (await json(world, ['backup', 'list', vault])).map(({ backupId }: { backupId: string }) => backupId)
const foldersIn = async (world: World, vault: string) =>
  (await readdir(join(world.folder, vault))).filter((name) => name !== 'objects' && name !== '.incoming')
const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

inBothWorlds('rmbg backup', (world, worldName) => {
  const vault = 'vault'
  const command = ['backup', '--to', vault, '--objects', '--keep-last', '1']
  const addJob = () => world().change((sql, store) => makeJob(sql, { store }))
  const expectIntact = async (backupId: string) => {
    const { status, stdout } = await world().run(['backup', 'verify', join(vault, backupId)])
    expect(status, stdout).toBe(0)
  }
  const trialDatabase = () => join(world().env.RMBG_HOME!, 'database/drill')

  it.each(placesIn(backupPlaces, worldName))(
    'killed at $at leaves whole backups only; run again it succeeds and clears up',
    async ({ at }) => {
      await addJob()
      const before = (await json(world(), command)).manifest.backupId
      await addJob()
      const arguments_ = at === 'backup:drilled' ? [...command, '--drill'] : command
      await killedAt(world(), at, arguments_)
      const after = await listed(world(), vault)
      const isComplete = ['backup:done', 'backup:drilled', 'backup:expiring'].includes(at)
      expect(after).toHaveLength(isComplete && at !== 'backup:expiring' ? 2 : 1)
      if (at !== 'backup:expiring') expect(after[0]).toBe(before)
      for (const backupId of after) await expectIntact(backupId)
      if (worldName === 'embedded') expect(await exists(trialDatabase())).toBe(at === 'backup:drilled')
      const taken = (await json(world(), arguments_)).manifest.backupId
      expect(await foldersIn(world(), vault)).toEqual([taken])
      await expectIntact(taken)
      expect(await exists(trialDatabase())).toBe(false)
    },
  )
})

inBothWorlds('rmbg restore', (world, worldName) => {
  it.each(placesIn(restorePlaces, worldName))('killed at $at restores by running again', async ({ at }) => {
    const vault = at.replace(':', '-')
    await mkdir(join(world().folder, vault))
    const rows = await world().change(async (sql, store) => {
      for (const _ of [1, 2]) await makeJob(sql, { store, tags: ['spring'] })
      return jobRows(sql)
    })
    await json(world(), ['backup', '--to', vault, '--objects'])
    const target = worldName === 'servers' ? await freshDatabase() : undefined
    const bucket = target && (await freshBucket())
    const home = join(world().folder, `home-${vault}`)
    const env = { RMBG_HOME: home, ...bucket?.env, ...(target && { DATABASE_URL: target.url }) }
    await killedAt(world(), at, ['restore', vault, '--objects'], env)
    const again = await json(world(), ['restore', vault, '--objects'], env)
    expect(again.restored).toBe(false)
    expect(again.objects.count).toBe(rows.length * 3)
    // Taken of what was restored, it says the same of every table and object.
    const [first, second] = await Promise.all([
      json(world(), ['backup', 'list', vault]),
      json(world(), ['backup', '--to', `${vault}-again`, '--objects'], env).then(({ manifest }) => manifest),
    ])
    expect(second.objects).toMatchObject({ count: rows.length * 3, missing: 0 })
    expect(first).toHaveLength(1)
    await rm(home, { recursive: true, force: true })
    await target?.drop()
  })
})
