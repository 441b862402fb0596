import { rm } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { workKillPoints } from '../faults/kill-points.ts'
import { describeFleet, freshFleet, isImage } from './fleet.ts'

describeFleet('workers', () => {
  it('do every picture once, whoever is killed', { timeout: 120_000 }, async () => {
    const fleet = await freshFleet({ images: 60 })
    await fleet.enqueue({ shard: 10 })
    const doomed = fleet.start({ do: 'work', modelMs: 100 })
    const other = fleet.start({ do: 'work', modelMs: 20 })
    await doomed.until(isImage, 4)
    doomed.run.kill('SIGKILL')
    await other.run
    expect(other.told.at(-1)).toMatchObject({ type: 'ended' })
    expect(await fleet.jobs()).toEqual([{ status: 'completed', jobs: 60, contents: 60 }])
    const { completed, skipped } = await fleet.progress()
    expect(completed + skipped).toBe(60)
    expect(await fleet.queued()).toEqual([])
    const [ended] = await fleet.sql`select ended_at is not null as "hasEnded" from campaigns`
    expect(ended).toEqual({ hasEnded: true })
  })

  it.each(workKillPoints)(
    'killed at $at, when $moment, lose nothing',
    { timeout: 120_000 },
    async ({ at }) => {
      const fleet = await freshFleet({ images: 8 })
      await fleet.enqueue({ shard: 4 })
      const killed = fleet.start({ do: 'work' }, { RMBG_FAIL_POINT: at })
      expect((await killed.run).signal).toBe('SIGKILL')
      await fleet.start({ do: 'work' }).run
      expect(await fleet.jobs()).toEqual([{ status: 'completed', jobs: 8, contents: 8 }])
      const { completed, skipped } = await fleet.progress()
      expect(completed + skipped).toBe(8)
      expect(await fleet.queued()).toEqual([])
    },
  )

  it('name the one picture that ends them, and do all others', { timeout: 240_000 }, async () => {
    const fleet = await freshFleet({ images: 12, poisoned: [5] })
    await fleet.enqueue({ shard: 6 })
    let deaths = 0
    for (;;) {
      const worker = fleet.start({ do: 'work', poison: true, concurrency: 2 })
      const { signal } = await worker.run
      if (signal !== 'SIGKILL') break
      deaths++
      expect(deaths).toBeLessThanOrEqual(3)
    }
    expect(deaths).toBe(3)
    const dead =
      await fleet.sql`select data -> 'items' as items from pgboss.job where name like '%/dead' and state = 'created'`
    expect(dead).toMatchObject([{ items: [{ path: fleet.names[5] }] }])
    expect(await fleet.jobs()).toMatchObject([{ status: 'completed', jobs: 11 }, { jobs: 1 }])
    // It is tried once more, alone, by a model that it does not harm.
    await fleet.start({ do: 'retry' }).run
    await fleet.start({ do: 'work' }).run
    expect(await fleet.jobs()).toEqual([{ status: 'completed', jobs: 12, contents: 12 }])
  })

  it('give back what they have not begun when they are stopped', async () => {
    const fleet = await freshFleet({ images: 30 })
    await fleet.enqueue({ shard: 30 })
    const worker = fleet.start({ do: 'work', modelMs: 50, concurrency: 2 })
    await worker.until(isImage, 3)
    worker.run.kill('SIGTERM')
    const { exitCode } = await worker.run
    expect(exitCode).toBe(0)
    const { completed } = await fleet.progress()
    expect(completed).toBeGreaterThanOrEqual(3)
    expect(await fleet.queued()).toHaveLength(30 - completed)
    expect(await fleet.jobs()).toEqual([{ status: 'completed', jobs: completed, contents: completed }])
    const [job] =
      await fleet.sql`select state, data ? 'deaths' as "hasDied" from pgboss.job where state <= 'active'`
    expect(job).toEqual({ state: 'created', hasDied: false })
  })

  it('give back what takes longer than their grace', async () => {
    const fleet = await freshFleet({ images: 4 })
    await fleet.enqueue({ shard: 4 })
    const worker = fleet.start({ do: 'work', modelMs: 60_000, concurrency: 2, graceMs: 200 })
    await worker.until(({ type }) => type === 'model')
    worker.run.kill('SIGTERM')
    await worker.run
    expect(await fleet.queued()).toEqual(fleet.names)
    const [leases] = await fleet.sql`select count(*)::int as leases from open_jobs where claim_id is not null`
    expect(leases).toEqual({ leases: 0 })
  })

  it('wait for a store that is away, and no picture fails by it', { timeout: 60_000 }, async () => {
    const fleet = await freshFleet({ images: 20 })
    await fleet.enqueue({ shard: 10 })
    const worker = fleet.start({ do: 'work', modelMs: 20, awayFile: fleet.awayFile })
    await worker.until(isImage, 2)
    await fleet.hide(fleet.awayFile)
    await worker.until(({ code }) => code === 'server-away')
    await rm(fleet.awayFile)
    await worker.run
    expect(worker.told.filter(({ status }) => status === 'failed')).toEqual([])
    expect(worker.told.filter(({ code }) => code === 'server-away').length).toBeLessThanOrEqual(2)
    expect(await fleet.jobs()).toEqual([{ status: 'completed', jobs: 20, contents: 20 }])
    const lost = await fleet.sql`select 1 from campaign_failures`
    expect(lost).toEqual([])
  })

  it('tell of a picture that fails by itself, until it is retried', async () => {
    const fleet = await freshFleet({ images: 3 })
    await fleet.enqueue()
    await rm(fleet.names[1]!)
    const worker = fleet.start({ do: 'work' })
    await worker.run
    const lost = await fleet.sql`select item ->> 'path' as path, code from campaign_failures`
    expect(lost).toEqual([{ path: fleet.names[1], code: 'INPUT_NOT_FOUND' }])
    expect(await fleet.progress()).toEqual({ completed: 2, skipped: 0 })
    await fleet.start({ do: 'retry' }).run
    expect(await fleet.queued()).toEqual([fleet.names[1]])
  })

  it('leave a campaign that is paused within seconds, and go on when it is resumed', {
    timeout: 60_000,
  }, async () => {
    const fleet = await freshFleet({ images: 60 })
    await fleet.enqueue({ shard: 60 })
    const worker = fleet.start({ do: 'work', modelMs: 100, concurrency: 2 })
    await worker.until(isImage, 2)
    await fleet.sql`update campaigns set state = 'paused'`
    await expect
      .poll(async () => (await fleet.sql`select state from pgboss.job`).map(({ state }) => state), {
        timeout: 20_000,
      })
      .toEqual(['created'])
    const { completed } = await fleet.progress()
    expect(await fleet.queued()).toHaveLength(60 - completed)
    await fleet.sql`update campaigns set state = 'running'`
    await worker.run
    expect(await fleet.jobs()).toEqual([{ status: 'completed', jobs: 60, contents: 60 }])
  })

  it('take no more of a campaign that is cancelled', { timeout: 60_000 }, async () => {
    const fleet = await freshFleet({ images: 60 })
    await fleet.enqueue({ shard: 20 })
    const worker = fleet.start({ do: 'work', modelMs: 100, concurrency: 2 })
    await worker.until(isImage, 2)
    await fleet.start({ do: 'cancel' }).run
    await worker.run
    const [{ jobs = 0 } = {}] = await fleet.jobs()
    expect(jobs).toBeLessThan(60)
    expect(await fleet.queued()).toEqual([])
  })
})
