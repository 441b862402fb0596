import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Counts, counters, countFilesIn, readCounts } from './speed/perf.ts'

export interface Timed {
  status: number | null
  elapsedMs: number
  /** Of the command and all its children. */
  cpuMs: number
  /** Undefined when nothing was printed. */
  firstOutputMs: number | undefined
  counts: Counts
}

/** Runs a shell's command line in an environment of its own. What it writes to stderr is shown as it comes. */
export async function timed(
  command: string,
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<Timed> {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-timed-'))
  try {
    const files = countFilesIn(folder)
    const run = await runTimed((await counters()).under(files), command, options)
    return { ...run, counts: await readCounts(files) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function runTimed(
  under: readonly string[],
  command: string,
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<Omit<Timed, 'counts'>> {
  const startedAt = performance.now()
  // `times` prints what the shell used, and then what its children used.
  const [shell, ...before] = [...under, 'bash']
  const child = spawn(shell!, [...before, '-c', `${command}; status=$?; times >&3; exit $status`], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  let firstOutputMs: number | undefined
  const printed = () => {
    firstOutputMs ??= performance.now() - startedAt
  }
  child.stdout!.on('data', printed)
  child.stderr!.on('data', (text) => {
    printed()
    process.stderr.write(text)
  })
  let times = ''
  child.stdio[3]!.on('data', (text: Buffer) => {
    times += text.toString()
  })
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { status, elapsedMs: performance.now() - startedAt, cpuMs: cpuMsOf(times), firstOutputMs }
}

function cpuMsOf(times: string): number {
  return [...times.matchAll(/(\d+)m([\d.,]+)s/g)].reduce(
    (sum, [, minutes, rest]) => sum + Number(minutes) * 60_000 + Number(rest!.replace(',', '.')) * 1000,
    0,
  )
}
