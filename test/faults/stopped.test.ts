/**
 * A process that is stopped for longer than its lease (a laptop is closed, a virtual machine is paused) and then goes on
 * as if nothing had happened. The model gives another mask in every run, so it shows whose objects a row has.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa, type ResultPromise } from 'execa'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { FailPoint } from '../../src/fail-point.ts'
import { type Finished, finished, jsonLines } from '../support/cli.ts'
import { describeServers } from '../support/fixture-installation.ts'
import { picture } from '../support/images.ts'
import { isLong } from '../support/long-mode.ts'
import { noise } from './noise.ts'
import { embeddedVariant, expectWhole, isIn, picturesIn, serverVariant, type Variant } from './variants.ts'

vi.setConfig({ testTimeout: 120_000 })

const leaseMs = 1000
/** With nothing stored, with the original stored or on its way, with all on its way, and with all stored. */
const places = ['process:claimed', 'process:returned', 'process:uploading', 'process:stored'] as const
/** Outside of long mode each place is taken once: by one of two tests, in turn. */
const placesOf = (turn: 0 | 1) => places.filter((_, index) => isLong || index % 2 === turn)

/** Starts a command that stops itself at a place, and waits until it has. */
async function stoppedAt(
  variant: Variant,
  place: FailPoint,
  command: readonly string[],
  more: Record<string, string> = {},
): Promise<{ resumed: () => Promise<Finished>; run: ResultPromise }> {
  const run = variant.start(command, { RMBG_STOP_POINT: place, RMBG_LEASE_MS: String(leaseMs), ...more })
  // Its connections would keep the tests behind a failed one waiting.
  onTestFinished(async () => {
    run.kill('SIGKILL')
    await run
  })
  const state = async () => (await execa('ps', ['-o', 'stat=', '-p', String(run.pid)])).stdout
  await expect.poll(state, { timeout: 60_000 }).toMatch(/^T/)
  return {
    run,
    resumed: () => {
      run.kill('SIGCONT')
      return finished(run)
    },
  }
}

const eventOf = ({ stdout, stderr }: Finished) => {
  const event = jsonLines(stdout).find(({ type }) => type === 'image')
  expect(event, stderr).toBeDefined()
  return event!
}

describeServers('a run stopped for longer than its lease', () => {
  let variant: Variant
  let modelFile: string
  beforeAll(async () => {
    variant = await serverVariant()
    modelFile = await noise()
  })
  afterAll(() => variant.close())

  const command = (photos: string, output: string) => [
    ...['process', photos, '--model', modelFile, '--output', output, '--tag', 'spring', '--json'],
  ]
  const digestOf = async (file: string) =>
    createHash('sha256')
      .update(await readFile(join(variant.folder, file)))
      .digest('hex')
  const rowsOf = async (photos: string) => (await variant.look(expectWhole)).filter(isIn(variant, photos))
  const prune = () =>
    variant.run(['prune', '--abandoned-older-than', '1s', '--max-share', '100%', '--yes', '--json'])

  it.each(placesOf(0))('at %s leaves what another run has completed as it is', async (place) => {
    const photos = await picturesIn(variant, `other-${place.replace(':', '-')}`, 1)
    const { resumed } = await stoppedAt(variant, place, command(photos, `${photos}-first`))
    const other = await variant.run(command(photos, `${photos}-second`))
    expect(eventOf(other)).toMatchObject({ status: 'completed', attempt: 2 })
    const completed = await digestOf(`${photos}-second/0.png`)

    const first = await resumed()
    expect(first.status, first.stderr).toBe(0)
    const { jobId, processedPath } = eventOf(other)
    expect(eventOf(first)).toMatchObject({ status: 'skipped', jobId, processedPath })
    expect(await rowsOf(photos)).toMatchObject([
      { job_id: jobId, attempt: 2, processed_path: processedPath, processed_sha256: completed },
    ])
    expect(await digestOf(`${photos}-first/0.png`), 'the local cut-out is that of the row').toBe(completed)
  })

  it.each(placesOf(1))('at %s does the image again when the job was pruned meanwhile', async (place) => {
    const photos = await picturesIn(variant, `pruned-${place.replace(':', '-')}`, 1)
    const { resumed } = await stoppedAt(variant, place, command(photos, `${photos}-cut`))
    await sleep(leaseMs * 1.5)
    const pruned = await prune()
    expect(JSON.parse(pruned.stdout).pruned, pruned.stderr).toMatchObject({ jobs: 1 })

    const again = await resumed()
    expect(again.status, again.stderr).toBe(0)
    expect(eventOf(again)).toMatchObject({ status: 'completed', attempt: 1 })
    const [row, ...more] = await rowsOf(photos)
    expect(more).toEqual([])
    expect(row).toMatchObject({ status: 'completed', attempt: 1 })
    expect(await digestOf(`${photos}-cut/0.png`)).toBe(row!.processed_sha256)
  })

  it('at process:stored stores the original that it was to share when that was pruned meanwhile', async () => {
    const photos = await picturesIn(variant, 'shared', 1)
    const early = [...command(photos, `${photos}-early`), '--size', '20x20', '--tag', 'early']
    expect(eventOf(await variant.run(early))).toMatchObject({ status: 'completed' })
    const { resumed } = await stoppedAt(variant, 'process:stored', command(photos, `${photos}-cut`))
    const pruned = await variant.run([
      ...['prune', '--older-than', '0s', '--tag', 'early', '--max-share', '100%', '--yes', '--json'],
    ])
    expect(JSON.parse(pruned.stdout).pruned, pruned.stderr).toMatchObject({ jobs: 1, objects: 3 })

    const again = await resumed()
    const event = eventOf(again)
    expect(event, again.stderr).toMatchObject({ status: 'completed', attempt: 1 })
    expect(event.originalPath).toContain(event.jobId)
    expect(await rowsOf(photos)).toMatchObject([{ job_id: event.jobId, original_path: event.originalPath }])
  })

  it('and another one after it, both going on at last, leave what a third has completed', async () => {
    const photos = await picturesIn(variant, 'three', 1)
    const first = await stoppedAt(variant, 'process:uploading', command(photos, `${photos}-1`))
    const second = await stoppedAt(variant, 'process:returned', command(photos, `${photos}-2`))
    const third = await variant.run(command(photos, `${photos}-3`))
    expect(eventOf(third)).toMatchObject({ status: 'completed', attempt: 3 })
    const completed = await digestOf(`${photos}-3/0.png`)
    for (const { status, stderr } of await Promise.all([first.resumed(), second.resumed()]))
      expect(status, stderr).toBe(0)
    expect(await rowsOf(photos)).toMatchObject([{ attempt: 3, processed_sha256: completed }])
  })

  it('removes what it has sent also when its image fails in the end', async () => {
    const photos = 'damaged'
    await mkdir(join(variant.folder, photos))
    const whole = await picture(7).png().toBuffer()
    await writeFile(join(variant.folder, photos, '0.png'), whole.subarray(0, whole.length / 2))
    const { resumed } = await stoppedAt(variant, 'process:claimed', command(photos, `${photos}-cut`))
    const other = await variant.run(command(photos, `${photos}-cut`))
    expect(eventOf(other)).toMatchObject({ status: 'failed', code: 'INPUT_CORRUPT' })
    expect(eventOf(await resumed())).toMatchObject({ status: 'failed', code: 'INPUT_CORRUPT' })
    const [row] = await rowsOf(photos)
    expect(row).toMatchObject({ status: 'failed', attempt: 2 })
    expect(row!.original_path).toContain(`${row!.job_id}-2.`)
    await variant.change(async (_, store) => {
      expect(await store.head(row!.original_path)).toBeDefined()
    })
  })

  it.each(['completed', 'pruned'])(
    'and killed before it can clear up leaves to orphans what it sent for a job that is %s',
    async (fate) => {
      const photos = await picturesIn(variant, `killed-${fate}`, 1)
      const { resumed, run } = await stoppedAt(
        variant,
        'process:uploading',
        command(photos, `${photos}-first`),
        { RMBG_FAIL_POINT: 'process:stored' },
      )
      if (fate === 'pruned') {
        await sleep(leaseMs * 1.5)
        await prune()
      }
      const other = eventOf(await variant.run(command(photos, `${photos}-second`)))
      expect(other).toMatchObject({ status: 'completed', attempt: fate === 'pruned' ? 1 : 2 })
      await resumed()
      expect((await run).signal).toBe('SIGKILL')
      const orphans = ['orphans', '--grace', '0s', '--max-share', '100%', '--yes', '--json']
      const { stdout, stderr } = await variant.run(orphans)
      const { done } = JSON.parse(stdout)
      expect(done, stderr).toMatchObject({ rows: 0 })
      // The original may have arrived before the stop: then it is gone already.
      expect([2, 3]).toContain(done.objects)
      expect(await rowsOf(photos)).toMatchObject([
        { job_id: other.jobId, processed_sha256: await digestOf(`${photos}-second/0.png`) },
      ])
    },
  )
})

describe('a run stopped for longer than its lease on the embedded database', () => {
  it('keeps the database to itself, and completes its image when it goes on', async () => {
    const variant = await embeddedVariant()
    try {
      const photos = await picturesIn(variant, 'alone', 1)
      const command = ['process', photos, '--model', await noise(), '--json']
      const { resumed } = await stoppedAt(variant, 'process:uploading', command)
      await sleep(leaseMs * 1.5)
      const prune = ['prune', '--abandoned-older-than', '1s', '--max-share', '100%', '--yes']
      for (const other of [command, prune]) {
        const refused = await variant.run(other)
        expect(refused.status, refused.stdout).toBe(4)
        expect(refused.stderr).toContain('in use by "rmbg process"')
      }
      const { status, stderr, stdout } = await resumed()
      expect(status, stderr).toBe(0)
      expect(eventOf({ status, stderr, stdout })).toMatchObject({ status: 'completed', attempt: 1 })
      expect((await variant.look(expectWhole)).map(({ attempt }) => attempt)).toEqual([1])
    } finally {
      await variant.close()
    }
  })
})
