import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { describeFleet, freshFleet } from './fleet.ts'

describeFleet('enqueue', () => {
  it.each([
    ['enqueue:created@1', 'the campaign is there'],
    ['enqueue:prepared@1', 'the queues are there'],
    ['enqueue:written@1', 'shards and cursor are written, and not committed'],
    ['enqueue:committed@1', 'they are committed'],
  ])('killed at %s, when %s, goes on without losing or doubling a picture', async (point) => {
    const fleet = await freshFleet({ images: 25 })
    const killed = await fleet.enqueue({}, { RMBG_FAIL_POINT: point })
    expect(killed.signal).toBe('SIGKILL')
    const { enqueued, stderr } = await fleet.enqueue()
    expect(enqueued, stderr).toMatchObject({ images: 25, shards: 3, isListed: true })
    expect(await fleet.queued()).toEqual(fleet.names)
  })

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
