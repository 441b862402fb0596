import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { enqueueKillPoints } from '../faults/kill-points.ts'
import { describeFleet, freshFleet } from './fleet.ts'

describeFleet('enqueue', () => {
  it.each(enqueueKillPoints)(
    'killed at $at, when $moment, goes on without losing or doubling',
    async ({ at }) => {
      const fleet = await freshFleet({ images: 0 })
      // Two transactions and a half.
      const list = { keys: 12_000, shard: 100 }
      const killed = await fleet.enqueue(list, {
        RMBG_FAIL_POINT: `${at}@${/written|committed/.test(at) ? 2 : 1}`,
      })
      expect(killed.signal).toBe('SIGKILL')
      const { enqueued, stderr } = await fleet.enqueue(list)
      expect(enqueued, stderr).toMatchObject({ images: 12_000, shards: 120, isListed: true })
      const queued = await fleet.queued()
      expect([queued.length, new Set(queued).size]).toEqual([12_000, 12_000])
    },
  )

  it('adds nothing when it is run again, and refuses other inputs under the same name', async () => {
    const fleet = await freshFleet({ images: 3 })
    await fleet.enqueue()
    expect((await fleet.enqueue()).enqueued).toMatchObject({ images: 3, added: 0 })
    const other = await fleet.enqueue({ inputs: [join(fleet.photos, '0001.png')] })
    expect(other.stderr).toContain('has other inputs')
    expect(await fleet.queued()).toEqual(fleet.names)
  })

  it('lists again what a restored database has lost of its queue', async () => {
    const fleet = await freshFleet({ images: 3 })
    await fleet.enqueue()
    await fleet.sql`drop schema pgboss cascade`
    await writeFile(join(fleet.photos, 'more.txt'), 'no picture')
    expect((await fleet.enqueue()).enqueued).toMatchObject({ images: 3, shards: 1, added: 3 })
    expect(await fleet.queued()).toEqual(fleet.names)
  })
})
