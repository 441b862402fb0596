/** What a writer feels of a prune: the same claims and completions, alone and while jobs are deleted. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { v7 as uuidv7 } from 'uuid'
import { connectServer } from '../../../src/database/connect.ts'
import { directoryStore } from '../../../src/store/directory.ts'
import { planPrune } from '../../../src/upkeep/prune.ts'
import { newImage, processImage } from './work.ts'

export interface PruneTimes {
  phase: string
  jobsWritten: number
  p50Ms: number
  p99Ms: number
  maxMs: number
}

export interface PruneBench {
  pruned: number
  pruneSeconds: number
  writer: PruneTimes[]
}

/** One job after the other, claimed and completed as a run does it. */
async function write(url: string, signal: AbortSignal): Promise<number[]> {
  const { sql, close } = connectServer(url, { maxConnections: 1 })
  const times: number[] = []
  const run = { id: uuidv7(), owner: 'bench', leaseMs: 60_000 }
  while (!signal.aborted) {
    const startedAt = performance.now()
    await processImage(sql, newImage(times.length, run, 'bench'))
    times.push(performance.now() - startedAt)
  }
  await close()
  return times
}

function summed(phase: string, times: number[]): PruneTimes {
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0
  return { phase, jobsWritten: times.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: times.at(-1) ?? 0 }
}

/** @param wanted jobs to delete, about: an age is chosen that many jobs have */
export async function timePrune(url: string, wanted: number): Promise<PruneBench> {
  const database = connectServer(url)
  const { sql } = database
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-bench-'))
  const store = directoryStore(folder) // its objects are not there; removing them is cheap
  try {
    const alone = new AbortController()
    setTimeout(() => alone.abort(), 30_000)
    const before = await write(url, alone.signal)

    const [row] = await sql`
      select ceil(extract(epoch from now() - completed_at))::int as age from image_process_jobs
      where status = 'completed' order by completed_at offset ${wanted} limit 1`
    const policy = { olderThan: { completed: `${row!.age} seconds` }, keepLast: undefined, filter: {} }
    const plan = await planPrune(
      { database, store: async () => store },
      { policy, maxShare: 100, keepObjects: false, versions: false },
    )
    const during = new AbortController()
    const writing = write(url, during.signal)
    const startedAt = performance.now()
    const { jobs } = await plan.execute({
      rate: 1e9,
      signal: new AbortController().signal,
      onJobs: () => {},
    })
    await plan.close()
    const pruneSeconds = (performance.now() - startedAt) / 1000
    during.abort()
    return {
      pruned: jobs,
      pruneSeconds,
      writer: [summed('alone, 30 s', before), summed('while pruning', await writing)],
    }
  } finally {
    await database.close()
    await rm(folder, { recursive: true })
  }
}
