/** What is told of a program that is compared with another. */
import { latenciesOf, type Percentiles, percentiles } from './latency.ts'
import { type Finished, type MeasureOptions, measure, rmbgProcess, steady } from './measured.ts'
import { type CountSpreads, countSpreads } from './perf.ts'
import { type Spread, spread } from './spread.ts'

export interface PeerFigures extends CountSpreads {
  /** From the first finished image of a run to the last, an image. */
  steadyMs: Spread
  /** With start and end. */
  wholeMs: Spread
  cpuMs: Spread
  peakRssMb: Spread
  /** Of single images, those of all rounds together. */
  latency?: Percentiles
}

/** One run. */
export interface PeerRun extends Finished {
  steadyMsPerImage: number
  /** Milliseconds, a single image each. */
  latencies: number[]
}

export function figuresOf(runs: readonly PeerRun[], images: number): PeerFigures {
  const latency = percentiles(runs.flatMap(({ latencies }) => latencies))
  return {
    steadyMs: spread(runs.map((run) => run.steadyMsPerImage)),
    wholeMs: spread(runs.map((run) => run.wallMs / images)),
    cpuMs: spread(runs.map((run) => run.cpuMs / images)),
    peakRssMb: spread(runs.map((run) => run.peakRssMb)),
    ...countSpreads(runs, images),
    ...(latency && { latency }),
  }
}

/** `rmbg process` with a home that has a database. */
export async function runOurs(
  files: readonly string[],
  flags: readonly string[],
  options: MeasureOptions,
): Promise<PeerRun & { completed: Awaited<ReturnType<typeof rmbgProcess>>['completed'] }> {
  const run = await rmbgProcess([...flags, ...files], options)
  return { ...run, latencies: latenciesOf(files, run.completed, run.concurrency) }
}

/** A peer's own program, which prints a line of JSON with the image for each that is done. */
export async function runPeer(
  program: string,
  task: { images: readonly string[]; atOnce: number } & Record<string, unknown>,
): Promise<PeerRun> {
  const { images, atOnce } = task
  const finished = await measure([program, JSON.stringify(task)])
  if (finished.status !== 0 || finished.lines.length !== images.length) {
    throw new Error(`The peer ended with ${finished.status}: ${finished.stderr}`)
  }
  const done = finished.lines.map(({ text, atMs }) => ({ input: JSON.parse(text).image as string, atMs }))
  return {
    ...finished,
    steadyMsPerImage: steady(finished.lines),
    latencies: latenciesOf(images, done, atOnce),
  }
}
