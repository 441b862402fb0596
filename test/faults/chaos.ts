/**
 * Everything at once: runs of two installations on one bucket are killed, stopped for longer than their leases, and cut
 * off from database and store, at moments that a seed decides.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { execa, type ResultPromise } from 'execa'
import type { FailPoint } from '../../src/fail-point.ts'
import type { Finished } from '../support/cli.ts'
import { type Random, randomFrom } from './random.ts'
import type { FaultKind, StoreProxy } from './s3-proxy.ts'
import type { Neighbor, SharedBucket } from './shared-bucket.ts'

/** What a seed decides before anything happens. */
export interface Script {
  prefixes: readonly [string, string]
  leaseMs: number
  /** Whether the runs of the second installation are pointed at the store of the first. */
  isMistaken: boolean
  /** Whether no two runs agree on a mask. */
  hasNoise: boolean
  /** Where each of the four runs stops itself, once, as if its machine slept. */
  stops: readonly (FailPoint | undefined)[]
  strikes: readonly Strike[]
}

interface Strike {
  what: 'kill' | 'stop' | 'disconnect' | 'unsteady' | 'tidy' | 'trespass'
  /** Since the strike before. */
  afterMs: number
  /** How long a process is stopped or the store unsteady. */
  forMs: number
  /** Whom it meets: a number from 0 to below 1 for a place among those that can be met. */
  whom: number
  /** Which way of it: likewise. */
  how: number
}

const stopPlaces = ['process:claimed', 'process:returned', 'process:uploading', 'process:stored'] as const
const unsteady: readonly (FaultKind | 'away')[] = [
  ...(['reset', 'slow down', 'bad gateway', 'silent', 'away'] as const),
]

/** @param seed an even one makes the mistake, and one that 3 divides has no noise */
export function scriptOf(seed: number): Script {
  const random = randomFrom(seed)
  const leaseMs = random.between(1500, 3000)
  return {
    isMistaken: seed % 2 === 0,
    hasNoise: seed % 3 > 0,
    prefixes: random.pick([
      ['one/', 'two/'],
      ['one/', 'one/two/'],
      ['', 'two/'],
    ]),
    leaseMs,
    stops: Array.from({ length: 4 }, () => (random.below(2) ? random.pick(stopPlaces) : undefined)),
    strikes: Array.from({ length: random.between(4, 7) }, () => strikeOf(random, leaseMs)),
  }
}

function strikeOf(random: Random, leaseMs: number): Strike {
  const what = random.pick([
    ...(['kill', 'stop', 'stop', 'disconnect', 'disconnect', 'unsteady', 'unsteady'] as const),
    ...(['tidy', 'trespass'] as const),
  ])
  const isLong = random.below(3) > 0
  return {
    what,
    afterMs: random.between(100, 1200),
    forMs:
      what === 'stop' && isLong
        ? random.between(leaseMs * 1.2, leaseMs * 2)
        : random.between(1000, what === 'stop' ? 1500 : 4000),
    whom: random.below(1000) / 1000,
    how: random.below(1000) / 1000,
  }
}

/** A run that has ended. */
export interface Ended extends Finished {
  neighbor: Neighbor
  command: string
  isKilled: boolean
  /** Whether it went to the store of the other installation. */
  trespasses: boolean
}

/** What happened, for whoever has to find out why. */
type Story = (line: string) => void

interface LiveRun {
  neighbor: Neighbor
  run: ResultPromise
  /** How long it stays stopped when it stops the next time. */
  stoppedForMs: number
}

interface Performance {
  script: Script
  shared: SharedBucket
  proxy: StoreProxy
  /** Of `rmbg process`. */
  command: (neighbor: Neighbor) => string[]
  /** Called when all runs have begun, and each store has an owner. */
  begun: () => Promise<void>
  tell: Story
}

/** Performs a script to its end. @returns every run and every other command that was started, when all have ended */
export async function perform({
  script,
  shared,
  proxy,
  command,
  begun,
  tell,
}: Performance): Promise<Ended[]> {
  const [first, second] = shared.neighbors
  const live = new Set<LiveRun>()
  const ending: Promise<Ended>[] = []
  let steady = Promise.resolve()
  const env = { S3_ENDPOINT: proxy.url, RMBG_LEASE_MS: String(script.leaseMs) }

  const begin = (neighbor: Neighbor, args: string[], more: Record<string, string> = {}): LiveRun => {
    const run = neighbor.start(args, { ...env, ...more })
    const entry: LiveRun = { neighbor, run, stoppedForMs: script.leaseMs * 1.5 }
    live.add(entry)
    const name = `${neighbor.name} ${args[0]} (${run.pid})`
    tell(`${name} begins ${JSON.stringify(more)}`)
    ending.push(
      run.then(({ exitCode, signal, stdout, stderr }) => {
        live.delete(entry)
        tell(`${name} ends: ${signal ?? exitCode}`)
        return {
          ...{ neighbor, command: args[0]!, isKilled: signal === 'SIGKILL' },
          ...{ status: exitCode, stdout: String(stdout), stderr: String(stderr) },
          trespasses: more.S3_PREFIX !== undefined,
        }
      }),
    )
    return entry
  }
  const trespassing = { S3_PREFIX: first.prefix }
  const beginWork = (neighbor: Neighbor, stop?: FailPoint) =>
    begin(neighbor, command(neighbor), {
      ...(script.isMistaken && neighbor === second && trespassing),
      ...(stop !== undefined && { RMBG_STOP_POINT: stop }),
    })
  const workers = () => [...live].filter(({ run }) => run.spawnargs.includes('process'))
  const endNursing = nurse(live)

  const strike = async ({ what, forMs, whom, how }: Strike) => {
    const among = <T>(choices: readonly T[], at: number) => choices[Math.floor(at * choices.length)]!
    const neighbor = among(shared.neighbors, whom)
    if (what === 'disconnect') {
      const cut = await neighbor.sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`
      return tell(`${neighbor.name} loses ${cut.length} connections`)
    }
    if (what === 'unsteady') {
      if (proxy.isAway || proxy.fault) return // one at a time
      tell(`the store is unsteady for ${forMs} ms: ${among(unsteady, how)}`)
      steady = unsettle(proxy, among(unsteady, how), forMs)
      return
    }
    if (what === 'tidy')
      return void begin(neighbor, among(neighbor === first ? [...tidying, pruningEarly] : tidying, how))
    if (what === 'trespass') {
      return void begin(second, among([...tidying, deletingAll, command(second)], how), trespassing)
    }
    const worker = among(workers(), whom)
    if (what === 'stop') {
      tell(`${worker.run.pid} is stopped for ${Math.round(forMs)} ms`)
      worker.stoppedForMs = forMs
      worker.run.kill('SIGSTOP')
      return
    }
    worker.run.kill('SIGKILL')
    await worker.run
    beginWork(worker.neighbor)
  }

  try {
    const beginTwo = (neighbor: Neighbor, stops: readonly (FailPoint | undefined)[]) =>
      said(
        stops.map((stop) => beginWork(neighbor, stop)),
        '"type":"start"',
      )
    const firstBegun = beginTwo(first, script.stops.slice(0, 2))
    // Who comes to a store that has no owner becomes its owner.
    if (script.isMistaken) await firstBegun
    const secondBegun = beginTwo(second, script.stops.slice(2))
    await (script.isMistaken || Promise.all([firstBegun, secondBegun]))
    await begun()
    for (const each of script.strikes) {
      await sleep(each.afterMs)
      if (workers().length === 0) break
      await strike(each)
    }
    return await allOf(ending)
  } finally {
    for (const { run } of live) run.kill('SIGKILL')
    await Promise.all([...ending, steady])
    endNursing()
  }
}

/** Commands that may be given at any time, by anybody. */
const tidying = [
  ['orphans', '--grace', '0s', '--max-share', '100%', '--yes', '--json'],
  ['prune', '--abandoned-older-than', '1s', '--max-share', '100%', '--yes', '--json'],
]
/** Jobs of the first installation with the same originals as those that are in work. */
export const pruningEarly = [
  ...['prune', '--older-than', '0s', '--tag', 'early', '--max-share', '100%', '--yes', '--json'],
]
const deletingAll = ['prune', '--older-than', '0s', '--max-share', '100%', '--yes', '--json']

async function unsettle(proxy: StoreProxy, kind: FaultKind | 'away', forMs: number): Promise<void> {
  if (kind === 'away') return proxy.away(forMs)
  proxy.fault = { kind, every: 1, ofAll: true }
  await sleep(forMs)
  proxy.fault = undefined
}

/** Waits until one of these runs has said something, or all have ended. */
async function said(runs: readonly LiveRun[], words: string): Promise<void> {
  const heard = runs.map(
    ({ run }) =>
      new Promise<void>((resolve) => {
        let all = ''
        run.stdout!.on('data', (text: Buffer) => {
          all += text
          if (all.includes(words)) resolve()
        })
      }),
  )
  await Promise.race([...heard, Promise.all(runs.map(({ run }) => run))])
}

/** Also of those that are begun while it waits. */
async function allOf<T>(growing: readonly Promise<T>[]): Promise<T[]> {
  let all: T[] = []
  while (all.length < growing.length) all = await Promise.all(growing)
  return all
}

/** Lets stopped processes go on when their time has come, whoever stopped them. @returns ends it */
function nurse(live: ReadonlySet<LiveRun>): () => void {
  const resting = new Set<LiveRun>()
  const round = setInterval(async () => {
    const pids = [...live].map(({ run }) => run.pid)
    if (pids.length === 0) return
    const { stdout } = await execa('ps', ['-o', 'pid=,stat=', '-p', pids.join()], { reject: false })
    const stopped = [...stdout.matchAll(/^\s*(\d+)\s+T/gm)].map(([, pid]) => Number(pid))
    for (const entry of live) {
      if (!stopped.includes(entry.run.pid!) || resting.has(entry)) continue
      resting.add(entry)
      void sleep(entry.stoppedForMs).then(() => {
        entry.run.kill('SIGCONT')
        resting.delete(entry)
      })
    }
  }, 250)
  return () => clearInterval(round)
}
