/**
 * Commands killed at random moments. One each time; RMBG_FAULTS=long for a hundred and more, with the seed in
 * RMBG_FAULTS_SEED. The seed fixes the moments as fractions of the time that the command takes when nobody kills it.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import { shippedMigrations } from '../../src/database/migrate.ts'
import { jsonLines } from '../support/cli.ts'
import { copyLeftDatabase } from '../support/embedded-database.ts'
import { makeJob } from '../support/jobs.ts'
import { isLong } from '../support/long-mode.ts'
import { randomNumbers } from '../support/random.ts'
import { freshDatabase } from '../support/servers.ts'
import {
  acknowledged,
  expectRecoverable,
  expectWhole,
  inBothVariants,
  isIn,
  killedAt,
  picturesIn,
  type Variant,
  type VariantName,
} from './variants.ts'

const killsWanted = isLong ? 13 : 1
const seed = Number(process.env.RMBG_FAULTS_SEED ?? 1)
const timeout = killsWanted * 120_000
/** Outside of long mode `process` on the servers only: the grid kills every command at every place. */
const itFor = (variant: VariantName, command?: 'process') =>
  isLong || (variant === 'servers' && command === 'process') ? it : it.skip

const figures: string[] = []
const startedAt = Date.now()
afterAll(() => {
  const seconds = Math.round((Date.now() - startedAt) / 1000)
  if (isLong) console.log([...figures, `seed ${seed}, ${seconds} s`].join('\n'))
})

interface Round {
  args: readonly string[]
  env?: Record<string, string>
  /** After the kill; `stdout` is what had been said. */
  killed?: (stdout: string) => Promise<void>
  /** After the command was run again, to its end. */
  finished: (stdout: string) => Promise<void>
}

/** Rounds of a command, each killed once and run again, until enough kills came before its end. */
async function killAtRandom(variant: Variant, name: string, round: (number: number) => Promise<Round>) {
  const random = randomNumbers(seed * 1000 + name.length)
  const control = await round(0)
  const begunAt = performance.now()
  const whole = await variant.run(control.args, control.env)
  let usualMs = performance.now() - begunAt
  expect(whole.status, whole.stderr).toBe(0)
  await control.finished(whole.stdout)

  let kills = 0
  for (let number = 1; kills < killsWanted && number <= killsWanted * 3; number++) {
    const { args, env, killed, finished } = await round(number)
    const startedAt = performance.now()
    const run = variant.start(args, env)
    // Every moment may come, late ones more often: starting up is half the time, and touches nothing.
    await Promise.race([sleep(usualMs * Math.sqrt(random())), run])
    run.kill('SIGKILL')
    const { signal, stdout } = await run
    if (signal === 'SIGKILL') kills++
    // On a machine that has become faster since.
    else usualMs = Math.min(usualMs, performance.now() - startedAt)
    await killed?.(String(stdout))
    const again = await variant.run(args, env)
    expect(again.status, `${name}, round ${number}: ${again.stderr}`).toBe(0)
    await finished(again.stdout)
  }
  expect(kills).toBe(killsWanted)
  figures.push(`${name} [${variant.name}]: ${kills} kills within ${Math.round(usualMs)} ms`)
}

inBothVariants('killed at random moments', (variant, variantName) => {
  itFor(variantName, 'process')(
    'process loses no acknowledged image and does none twice',
    { timeout },
    async () => {
      await killAtRandom(variant(), 'process', async (number) => {
        const photos = await picturesIn(variant(), `photos-${number}`, 6)
        const isHere = isIn(variant(), photos)
        let told: string[] = []
        let completedBefore = 0
        const completed = (rows: Awaited<ReturnType<typeof expectWhole>>) =>
          rows.filter(isHere).filter(({ status }) => status === 'completed')
        return {
          args: ['process', photos, '--tag', 'spring', '--model', 'backdrop', '--json'],
          killed: async (stdout) => {
            told = acknowledged(stdout).map(({ jobId }) => jobId)
            const rows = completed(
              await variant().look((sql, store) => expectRecoverable(sql, store, isHere)),
            )
            expect(rows.map(({ job_id }) => job_id)).toEqual(expect.arrayContaining(told))
            completedBefore = rows.length
          },
          finished: async (stdout) => {
            const rows = completed(await variant().look((sql, store) => expectWhole(sql, store, isHere)))
            expect(rows).toHaveLength(6)
            expect(rows.map(({ job_id }) => job_id)).toEqual(expect.arrayContaining(told))
            expect(jsonLines(stdout).at(-1)).toMatchObject({
              completed: 6 - completedBefore,
              skipped: completedBefore,
            })
          },
        }
      })
      await variant().look(expectWhole)
    },
  )

  itFor(variantName)(
    'prune deletes all that should go and nothing that should stay',
    { timeout },
    async () => {
      const young = await variant().change((sql, store) => makeJob(sql, { store }))
      await killAtRandom(variant(), 'prune', async () => {
        const old = await variant().change((sql, store) =>
          Promise.all(
            Array.from({ length: 8 }, (_, index) =>
              makeJob(sql, { store, ageDays: 300 + index, status: index % 4 ? 'completed' : 'failed' }),
            ),
          ),
        )
        const isHere = ({ job_id }: { job_id: string }) => job_id === young
        return {
          args: ['prune', '--failed-older-than', '30d', '--max-share', '100%', '--yes'],
          killed: () =>
            variant().look(async (sql, store) => {
              await expectRecoverable(sql, store)
            }),
          finished: () =>
            variant().look(async (sql, store) => {
              const rows = await expectWhole(sql, store, isHere)
              const left = rows.map(({ job_id }) => job_id)
              expect(left).toContain(young)
              for (const job of old) expect(left).not.toContain(job)
            }),
        }
      })
    },
  )

  itFor(variantName)('backup leaves whole backups only', { timeout }, async () => {
    const vault = 'vault'
    const listed = async () => {
      const { stdout, status } = await variant().run(['backup', 'list', vault, '--json'])
      expect(status).toBe(0)
      return (JSON.parse(stdout) as { backupId: string }[]).map(({ backupId }) => backupId)
    }
    const expectIntact = async (backups: string[]) => {
      for (const backupId of backups) {
        const { status, stdout } = await variant().run(['backup', 'verify', join(vault, backupId)])
        expect(status, stdout).toBe(0)
      }
    }
    let before: string[] = []
    await killAtRandom(variant(), 'backup', async () => {
      await variant().change((sql, store) => makeJob(sql, { store }))
      return {
        args: ['backup', '--to', vault, '--objects', '--keep-last', '2'],
        killed: async () => {
          const backups = await listed()
          // The newest of those before is there whatever happened.
          expect(backups).toContain(before.at(-1))
          await expectIntact(backups)
        },
        finished: async () => {
          const backups = await listed()
          expect(backups.slice(0, -1)).not.toContain(backups.at(-1))
          expect(before).not.toContain(backups.at(-1))
          await expectIntact(backups.slice(-1))
          before = backups
        },
      }
    })
    expect(before).toHaveLength(2)
    await variant().look(expectWhole)
  })

  itFor(variantName)('migrate ends with every migration applied once', { timeout }, async () => {
    const shipped = (await shippedMigrations()).map(({ name }) => name)
    const dropped: (() => Promise<void>)[] = []
    // A cluster that was made, which takes seconds, but has no migration yet.
    const made = join(variant().folder, 'home-made')
    if (variantName === 'embedded')
      await killedAt(variant(), 'migrate:begun', ['migrate'], { RMBG_HOME: made })
    await killAtRandom(variant(), 'migrate', async (number) => {
      const home = join(variant().folder, `home-${number}`)
      const server = variantName === 'servers' ? await freshDatabase() : undefined
      if (server) dropped.push(server.drop)
      else await copyLeftDatabase(join(made, 'database'), join(home, 'database'))
      const env = { RMBG_HOME: home, ...(server && { DATABASE_URL: server.url }) }
      return {
        args: ['migrate'],
        env,
        finished: async () => {
          const { status, stdout } = await variant().run(['migrate', '--status'], env)
          expect(status).toBe(0)
          expect(stdout.trim().split('\n')).toEqual(shipped.map((name) => `applied  ${name}`))
          await rm(home, { recursive: true, force: true })
        },
      }
    })
    for (const drop of dropped) await drop()
  })
})
