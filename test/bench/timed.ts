import { spawn } from 'node:child_process'

export interface Timed {
  status: number | null
  elapsedMs: number
  /** Of the command and all its children. */
  cpuMs: number
  /** Undefined when nothing was printed. */
  firstOutputMs: number | undefined
}

/** Runs a shell's command line in an environment of its own. What it writes to stderr is shown as it comes. */
export async function timed(
  command: string,
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<Timed> {
  const startedAt = performance.now()
  // `times` prints what the shell used, and then what its children used.
  const child = spawn('bash', ['-c', `${command}; status=$?; times >&3; exit $status`], {
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
