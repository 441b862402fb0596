/** `rmbg prune`, `rmbg backup` and `rmbg restore`, killed at every step. */
import { createHash } from 'node:crypto'
import { access, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { v7 as uuidv7 } from 'uuid'
import { expect, it } from 'vitest'
import { objectKey } from '../../src/store/keys.ts'
import { jobRows } from '../support/job-rows.ts'
import { makeJob } from '../support/jobs.ts'
import { freshBucket, freshDatabase } from '../support/servers.ts'
import { backupKillPoints, killPointsIn, pruneKillPoints, restoreKillPoints } from './kill-points.ts'
import { expectRecoverable, expectWhole, inBothVariants, killedAt, type Variant } from './variants.ts'

inBothVariants('rmbg prune', (variant, variantName) => {
  const [removal] = pruneKillPoints.filter(({ command }) => command === 'orphans')

  it.each(killPointsIn(pruneKillPoints, variantName).filter((killPoint) => killPoint !== removal))(
    'killed at $at loses nothing that should stay; run again it finishes',
    async ({ at }) => {
      // One of the young jobs shares the original of one that goes, and so does one that goes later.
      const { young, gone } = await variant().change(async (sql, store) => {
        const old = await makeJob(sql, { ageDays: 300, store })
        return {
          young: [await makeJob(sql, { store }), await makeJob(sql, { sharesWith: old, store })],
          gone: [
            old,
            await makeJob(sql, { ageDays: 301, store }),
            await makeJob(sql, { ageDays: 300, status: 'failed', store }),
          ],
        }
      })
      const command = ['prune', '--failed-older-than', '30d', '--max-share', '100%', '--yes']
      // Completed jobs are one batch, failed ones the next.
      await killedAt(variant(), `${at}@1`, command)
      const left = await variant().look(expectRecoverable)
      expect(left.map(({ job_id }) => job_id)).toEqual(expect.arrayContaining([...young, gone[2]]))
      gone.push(
        await variant().change((sql, store) => makeJob(sql, { ageDays: 310, sharesWith: young[1]!, store })),
      )
      await killedAt(variant(), `${at}@2`, command)
      await variant().look(expectRecoverable)
      const { status, stderr } = await variant().run(command)
      expect(status, stderr).toBe(0)
      const remaining = (await variant().look(expectWhole)).map(({ job_id }) => job_id)
      expect(remaining).toEqual(expect.arrayContaining(young))
      for (const job of gone) expect(remaining).not.toContain(job)
    },
  )

  it('rmbg orphans killed at orphans:removed is finished by running it again', async () => {
    await variant().change(async (sql, store) => {
      await makeJob(sql, { ageDays: 1, store })
      const sha256 = createHash('sha256').update('x').digest('hex')
      for (const kind of ['original', 'mask'] as const) {
        await store.put(objectKey(kind, uuidv7(), 1, 'png'), Buffer.from('x'), {
          contentType: 'image/png',
          sha256,
        })
      }
    })
    const command = ['orphans', '--grace', '0s', '--max-share', '100%', '--yes']
    await killedAt(variant(), removal!.at, command)
    expect((await variant().run(command)).status).toBe(0)
    await variant().look(expectWhole)
  })
})

const json = async (variant: Variant, args: string[], more: Record<string, string> = {}) => {
  const { status, stdout, stderr } = await variant.run([...args, '--json'], more)
  expect(status, stderr).toBe(0)
  return JSON.parse(stdout)
}
const listed = async (variant: Variant, vault: string): Promise<string[]> =>
  (await json(variant, ['backup', 'list', vault])).map(({ backupId }: { backupId: string }) => backupId)
const foldersIn = async (variant: Variant, vault: string) =>
  (await readdir(join(variant.folder, vault))).filter((name) => name !== 'objects' && name !== '.incoming')
const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

inBothVariants('rmbg backup', (variant, variantName) => {
  const vault = 'vault'
  const command = ['backup', '--to', vault, '--objects', '--keep-last', '1']
  const addJob = () => variant().change((sql, store) => makeJob(sql, { store }))
  const expectIntact = async (backupId: string) => {
    const { status, stdout } = await variant().run(['backup', 'verify', join(vault, backupId)])
    expect(status, stdout).toBe(0)
  }
  const trialDatabase = () => join(variant().env.RMBG_HOME!, 'database/drill')

  it.each(killPointsIn(backupKillPoints, variantName))(
    'killed at $at leaves whole backups only; run again it succeeds and clears up',
    async ({ at }) => {
      await addJob()
      const before = (await json(variant(), command)).manifest.backupId
      await addJob()
      const arguments_ = at === 'backup:drilled' ? [...command, '--drill'] : command
      await killedAt(variant(), at, arguments_)
      const after = await listed(variant(), vault)
      const isComplete = ['backup:done', 'backup:drilled', 'backup:expiring'].includes(at)
      expect(after).toHaveLength(isComplete && at !== 'backup:expiring' ? 2 : 1)
      if (at !== 'backup:expiring') expect(after[0]).toBe(before)
      for (const backupId of after) await expectIntact(backupId)
      if (variantName === 'embedded') expect(await exists(trialDatabase())).toBe(at === 'backup:drilled')
      const taken = (await json(variant(), arguments_)).manifest.backupId
      expect(await foldersIn(variant(), vault)).toEqual([taken])
      await expectIntact(taken)
      expect(await exists(trialDatabase())).toBe(false)
    },
  )
})

inBothVariants('rmbg restore', (variant, variantName) => {
  it.each(killPointsIn(restoreKillPoints, variantName))(
    'killed at $at restores by running again',
    async ({ at }) => {
      const vault = at.replace(':', '-')
      await mkdir(join(variant().folder, vault))
      const rows = await variant().change(async (sql, store) => {
        for (const _ of [1, 2]) await makeJob(sql, { store, tags: ['spring'] })
        const rows = await jobRows(sql)
        await makeJob(sql, { store, sharesWith: rows[0]!.job_id })
        return jobRows(sql)
      })
      const count = rows.length * 2 + new Set(rows.map(({ original_path }) => original_path)).size
      await json(variant(), ['backup', '--to', vault, '--objects'])
      const target = variantName === 'servers' ? await freshDatabase() : undefined
      const bucket = target && (await freshBucket())
      const home = join(variant().folder, `home-${vault}`)
      const env = { RMBG_HOME: home, ...bucket?.env, ...(target && { DATABASE_URL: target.url }) }
      await killedAt(variant(), at, ['restore', vault, '--objects'], env)
      const again = await json(variant(), ['restore', vault, '--objects'], env)
      expect(again.restored).toBe(false)
      expect(again.objects.count).toBe(count)
      // Taken of what was restored, it says the same of every table and object.
      const [first, second] = await Promise.all([
        json(variant(), ['backup', 'list', vault]),
        json(variant(), ['backup', '--to', `${vault}-again`, '--objects'], env).then(
          ({ manifest }) => manifest,
        ),
      ])
      expect(second.objects).toMatchObject({ count, missing: 0 })
      expect(first).toHaveLength(1)
      await rm(home, { recursive: true, force: true })
      await target?.drop()
    },
  )
})
