/** A machine whose clock is wrong, or is set back in the middle of a run: libfaketime in front of the program's clock. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fastGlob from 'fast-glob'
import { expect, it } from 'vitest'
import { jsonLines } from '../support/cli.ts'
import { expectWhole, inBothVariants, isIn, killedAt, picturesIn } from './variants.ts'

/** Debian's package faketime. */
const library = fastGlob.sync('/usr/lib/*/faketime/libfaketime.so.1')[0]
if (!library && process.env.CI)
  throw new Error('libfaketime is missing: CI must install the package faketime')
const itWithClock = library ? it : it.skip

/** Setting a clock moves neither timers nor the times of files. */
const clock = (at: Record<string, string>) => ({
  LD_PRELOAD: library!,
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
  NO_FAKE_STAT: '1',
  ...at,
})
const shifted = (by: string) => clock({ FAKETIME: by })
const command = (photos: string) => ['process', photos, '--model', 'backdrop', '--json']

inBothVariants(
  `a clock that is wrong${library ? '' : ' (skipped: libfaketime is not installed)'}`,
  (variant, variantName) => {
    const completedIn = async (photos: string, count: number) => {
      const here = isIn(variant(), photos)
      const rows = await variant().look(async (sql, store) => {
        const [wrong] = await sql`select 1 from image_process_jobs where completed_at < created_at`
        expect(wrong).toBeUndefined()
        return expectWhole(sql, store, here)
      })
      expect(rows.filter(here).map(({ status }) => status)).toEqual(Array(count).fill('completed'))
    }

    itWithClock.each([
      ['a day behind', '-1d'],
      ['a day ahead', '+1d'],
    ])('by %s makes no difference to a run and to those after it', async (_title, by) => {
      const photos = await picturesIn(variant(), `photos${by}`, 3)
      const first = await variant().run(command(photos), shifted(by))
      expect(first.status, first.stderr).toBe(0)
      await completedIn(photos, 3)
      const again = await variant().run(command(photos))
      expect(jsonLines(again.stdout).at(-1)).toMatchObject({ completed: 0, skipped: 3 })
    })

    itWithClock('and is set back by an hour in the middle of a run leaves nothing undone', async () => {
      const photos = await picturesIn(variant(), 'photos-set-back', 12)
      const offset = join(variant().folder, 'offset')
      await writeFile(offset, '+0\n')
      const run = variant().start(
        [...command(photos), '--concurrency', '1'],
        clock({ FAKETIME_TIMESTAMP_FILE: offset, FAKETIME_NO_CACHE: '1' }),
      )
      const firstCompleted = new Promise<void>((resolve) =>
        run.stdout!.on('data', (text) => /"completed"/.test(text) && resolve()),
      )
      await firstCompleted
      await writeFile(offset, '-3600\n')
      const { exitCode, stdout, stderr } = await run
      expect(exitCode, String(stderr)).toBe(0)
      expect(jsonLines(String(stdout)).at(-1)).toMatchObject({ completed: 12, failed: 0 })
      await completedIn(photos, 12)
    })

    itWithClock('when a run is killed does not keep its images from the next one', async () => {
      const photos = await picturesIn(variant(), 'photos-killed', 2)
      await killedAt(variant(), 'process:claimed', command(photos), shifted('+1d'))
      const { status, stderr } = await variant().run(command(photos))
      expect(status, stderr).toBe(0)
      await completedIn(photos, 2)
    })

    itWithClock('leaves every job in query and statistics', async () => {
      const rows = await variant().look(expectWhole)
      const query = await variant().run(['query', '--all', '--ndjson'])
      expect(query.status, query.stderr).toBe(0)
      expect(
        jsonLines(query.stdout)
          .map(({ jobId }) => jobId)
          .sort(),
      ).toEqual(rows.map(({ job_id }) => job_id).sort())
      // What is of tomorrow counts from tomorrow on.
      const dayAfterNext = new Date(Date.now() + 2 * 86_400_000).toISOString()
      const stats = await variant().run(['stats', '--until', dayAfterNext, '--json'])
      expect(JSON.parse(stats.stdout).total).toMatchObject({ completed: rows.length, failed: 0 })
    })

    if (variantName === 'servers') {
      itWithClock('on one of two machines does not keep them from sharing the work', async () => {
        const photos = await picturesIn(variant(), 'photos-shared', 12)
        const clocks = [shifted('+1d'), shifted('-1d')]
        const runs = await Promise.all(clocks.map((env) => variant().run(command(photos), env)))
        expect(runs.map(({ status }) => status)).toEqual([0, 0])
        const [one, other] = runs.map(({ stdout }) => jsonLines(stdout).at(-1)!.completed)
        expect(one + other).toBe(12)
        await completedIn(photos, 12)
      })

      itWithClock('and not that of the database is no clock to prune by', async () => {
        const { status, stderr } = await variant().run(['prune', '--yes'], shifted('-1d'))
        expect(status).toBe(2)
        expect(stderr).toContain('1440 minutes ahead of this machine')
      })
    } else {
      itWithClock('does not make a backup remove itself', async () => {
        const take = async (env: Record<string, string>) => {
          const { stdout } = await variant().run(
            ['backup', '--to', 'vault', '--keep-last', '1', '--json'],
            env,
          )
          return JSON.parse(stdout).manifest.backupId as string
        }
        await take({})
        const taken = await take(shifted('-1d'))
        expect(existsSync(join(variant().folder, 'vault', taken, 'manifest.json'))).toBe(true)
      })

      itWithClock('before the machine was started anew does not keep a job for ever', async () => {
        const photos = await picturesIn(variant(), 'photos-rebooted', 2)
        await killedAt(variant(), 'process:claimed', command(photos), shifted('+1d'))
        // Whether the process of an earlier boot lives cannot be seen.
        await variant().change(
          (sql) => sql`update open_jobs set owner = regexp_replace(owner, '^[^ ]+', 'elsewhere///')`,
        )
        const { status, stderr } = await variant().run(command(photos))
        expect(status, stderr).toBe(0)
        await completedIn(photos, 2)
      })
    }
  },
)
