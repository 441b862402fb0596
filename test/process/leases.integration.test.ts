import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import { describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/contract.ts'
import { claimJob } from '../../src/database/jobs.ts'
import type { Run } from '../../src/database/leases.ts'
import { upsertUser } from '../../src/database/users.ts'
import { letGo, startHeartbeat, untilNoneIsHeld } from '../../src/process/leases.ts'
import { processOwner } from '../../src/system/owner.ts'
import { onBothDatabases } from '../database/databases.ts'

const someRun = (leaseMs: number): Run => ({ id: uuidv7(), owner: processOwner(), leaseMs })

async function claimed({ sql }: Database, run: Run): Promise<string> {
  await upsertUser(sql, 'anna')
  const jobId = uuidv7()
  const digest = createHash('sha256').update(jobId).digest('hex')
  const { state } = await claimJob(sql, {
    ...{
      jobId,
      contentSha256: digest,
      fingerprint: digest,
      params: {},
      keep: [],
      userId: 'anna',
      run,
      tags: [],
      force: false,
    },
    source: { path: `/photos/${jobId}.jpg`, size: 1000, mtimeNs: 1n },
    originalPath: (id) => `original/${id}.jpg`,
    ...{ imageWidth: 4, imageHeight: 3, fileSizeKb: 1 },
  })
  expect(state).toBe('claimed')
  return jobId
}

async function leaseEnd({ sql }: Database, jobId: string): Promise<Date | undefined> {
  const [lease] = await sql`select lease_until from open_jobs where job_id = ${jobId}`
  return lease?.lease_until ?? undefined
}

onBothDatabases('a run', (database) => {
  it('keeps what it holds as long as its heart beats, and frees it at the end', async () => {
    const run = someRun(400)
    const jobId = await claimed(database(), run)
    const before = await leaseEnd(database(), jobId)
    const endHeartbeat = startHeartbeat(database(), run)
    await expect.poll(() => leaseEnd(database(), jobId), { timeout: 5000 }).not.toEqual(before)
    endHeartbeat()
    await sleep(100) // a beat on its way
    const last = await leaseEnd(database(), jobId)
    await sleep(300)
    expect(await leaseEnd(database(), jobId)).toEqual(last)
    await letGo(database(), run)
    expect(await leaseEnd(database(), jobId)).toBeUndefined()
    const [job] = await database().sql`select status from all_jobs where job_id = ${jobId}`
    expect(job).toEqual({ status: 'pending' })
  })
})

describe('waiting for what another run holds', () => {
  const never = new AbortController().signal

  it('tries at once, then tells of the waiting once, and ends when nothing is held', async () => {
    const told: number[] = []
    const tries: string[] = []
    const answers = [['a', 'b'], ['b'], ['b'], []]
    const work = async (items: readonly string[]) => {
      tries.push(items.join(''))
      return answers.shift() ?? []
    }
    const onWait = (items: number) => told.push(items)
    await untilNoneIsHeld(['a', 'b', 'c'], work, { signal: never, onWait, pauseMs: 1 })
    expect(tries).toEqual(['abc', 'ab', 'b', 'b'])
    expect(told).toEqual([2])
  })

  it('is nothing where nothing is held', async () => {
    const work = async () => expect.unreachable()
    await untilNoneIsHeld([], work, { signal: never, onWait: () => expect.unreachable() })
  })

  it('ends in the middle of a pause when the run is stopped', async () => {
    const stop = new AbortController()
    const work = async (items: readonly string[]) => items
    const onWait = () => void setTimeout(() => stop.abort(), 10)
    const startedAt = performance.now()
    await untilNoneIsHeld(['a'], work, { signal: stop.signal, onWait, pauseMs: 60_000 })
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })

  it('throws what the work throws', async () => {
    const work = () => Promise.reject(new Error('the database is gone'))
    await expect(untilNoneIsHeld(['a'], work, { signal: never, onWait: () => {} })).rejects.toThrow('is gone')
  })
})
