/** Programs that are measured, each in a process of its own. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { BatchEvent, CompletedEvent, SummaryEvent } from '../../../src/process/events.ts'
import { cleanEnvironment, program } from '../../support/cli.ts'
import { type Counts, counters, countFilesIn, readCounts } from './perf.ts'
import { withFolder } from './place.ts'

const usageModule = fileURLToPath(new URL('usage.mjs', import.meta.url))

export interface Finished {
  status: number | null
  /** From its start to its end. */
  wallMs: number
  /** User and system, all threads; 0 when plain. */
  cpuMs: number
  /** 0 when plain. */
  peakRssMb: number
  /** Empty when plain, under something else, or where nothing can be counted. */
  counts: Counts
  /** What it printed, and when, counted from its start. */
  lines: { text: string; atMs: number }[]
  stderr: string
}

export interface MeasureOptions {
  env?: Record<string, string>
  /** Nothing is loaded into the process to count what it uses, which costs a start some milliseconds. */
  plain?: boolean
  /** What stands before `node`, such as strace and its options. */
  under?: readonly string[]
  onLine?: (text: string, pid: number) => void
  /** Only the last line is wanted: to read a hundred thousand takes a core that the program and its servers need. */
  lastLineOnly?: boolean
}

/**
 * Runs `node ...args` to its end. The program is started as `rmbg` is, by its own first line, which says how its memory is
 * laid out.
 */
export function measure(args: readonly string[], options: MeasureOptions = {}): Promise<Finished> {
  return withFolder(async (folder) => {
    const [usage, pidFile, countFiles] = [
      join(folder, 'usage.json'),
      join(folder, 'pid'),
      countFilesIn(folder),
    ]
    const counting = options.plain ? [] : ['--import', pathToFileURL(usageModule).href]
    const isOwn = args[0] === program && process.platform !== 'win32'
    const under = options.under ?? (options.plain ? [] : (await counters()).under(countFiles))
    const [command, ...rest] = [...under, ...(isOwn ? [] : [process.execPath, ...counting]), ...args]
    const lines: Finished['lines'] = []
    let stderr = ''
    const startedAt = performance.now()
    const child = spawn(command!, rest, {
      cwd: folder,
      env: {
        ...cleanEnvironment(),
        ...(isOwn && {
          PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
          NODE_OPTIONS: counting.join(' '),
        }),
        NO_COLOR: '1',
        ORT_DISABLE_TELEMETRY: '1',
        RMBG_BENCH_USAGE: usage,
        RMBG_BENCH_PID: pidFile,
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    // What was started may be perf, which started the program.
    let ownPid: number | undefined
    const pid = () => {
      ownPid ??= existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : child.pid!
      return ownPid
    }
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    const onLine = (text: string) => {
      lines.push({ text, atMs: performance.now() - startedAt })
      options.onLine?.(text, pid())
    }
    if (options.lastLineOnly) readLastLine(child.stdout, onLine)
    else createInterface({ input: child.stdout }).on('line', onLine)
    let exitedMs = 0
    child.on('exit', () => {
      exitedMs = performance.now() - startedAt
    })
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    })
    const used = await readFile(usage, 'utf8').catch(() => '{"cpuMs":0,"peakRssMb":0}')
    const counts = await readCounts(countFiles)
    return { status, wallMs: exitedMs, ...JSON.parse(used), counts, lines, stderr }
  })
}

/** More than a last line has. */
const endBytes = 2 ** 16

function readLastLine(output: Readable, onLine: (text: string) => void): void {
  let end: Buffer = Buffer.alloc(0)
  output.on('data', (chunk: Buffer) => {
    end = chunk.length < endBytes ? Buffer.concat([end, chunk]).subarray(-endBytes) : chunk
  })
  output.on('end', () => onLine(end.toString().trimEnd().split('\n').at(-1)!))
}

/** Runs a bench's own program (TypeScript) and gives what it printed last, as JSON. */
export async function ownProgram<T>(name: string, args: readonly string[]): Promise<T> {
  const file = fileURLToPath(new URL(name, import.meta.url))
  const loaders = [import.meta.resolve('tsx'), import.meta.resolve('../../support/tsx-in-thread.mjs')]
  const imports = loaders.flatMap((loader) => ['--import', loader])
  const { status, lines, stderr } = await measure([...imports, file, ...args])
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`)
  return JSON.parse(lines.at(-1)!.text) as T
}

/** CPU time a process has used until now, all threads; undefined where there is no /proc. */
export function cpuMsOf(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10 // clock ticks, a hundred a second
  } catch {
    return undefined
  }
}

/** What a process has in memory now, in MiB. */
export function rssMbOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}

export interface Processed extends Finished {
  completed: (CompletedEvent & { atMs: number })[]
  summary: SummaryEvent
  /** Images in work at once. */
  concurrency: number
  /** From the first finished image to the last; NaN for less than two. */
  steadyMsPerImage: number
  /** Over the same span; NaN where there is no /proc. */
  steadyCpuMsPerImage: number
}

/** The built program's `process --json`; every image must succeed. */
export async function rmbgProcess(
  args: readonly string[],
  { onEvent, ...options }: MeasureOptions & { onEvent?: (event: BatchEvent, pid: number) => void } = {},
): Promise<Processed> {
  let first: number | undefined
  let last: number | undefined
  const finished = await measure([program, 'process', '--json', ...args], {
    ...options,
    onLine: (text, pid) => {
      const event = JSON.parse(text) as BatchEvent
      if (event.type === 'image' && event.status === 'completed') {
        first ??= cpuMsOf(pid)
        last = cpuMsOf(pid) ?? last
      }
      onEvent?.(event, pid)
    },
  })
  const events = finished.lines.map(({ text, atMs }) => ({ ...(JSON.parse(text) as BatchEvent), atMs }))
  const completed = events.filter((event) => event.type === 'image' && event.status === 'completed')
  const summary = events.find((event) => event.type === 'summary')
  const start = events.find((event) => event.type === 'start')
  if (finished.status !== 0 || !summary || !start) {
    throw new Error(
      `rmbg process ended with ${finished.status}: ${finished.stderr || finished.lines.at(-1)?.text}`,
    )
  }
  return {
    ...finished,
    completed,
    summary,
    concurrency: start.concurrency,
    steadyMsPerImage: steady(completed),
    steadyCpuMsPerImage: (last! - first!) / (completed.length - 1),
  }
}

/** Milliseconds from one finished image to the next, between the first and the last. */
export const steady = (finished: readonly { atMs: number }[]): number =>
  (finished.at(-1)!.atMs - finished[0]!.atMs) / (finished.length - 1)

/** The built program; it must succeed. */
export async function rmbg(args: readonly string[], options: MeasureOptions = {}): Promise<Finished> {
  const finished = await measure([program, ...args], options)
  if (finished.status !== 0)
    throw new Error(`rmbg ${args[0]} ended with ${finished.status}: ${finished.stderr}`)
  return finished
}
