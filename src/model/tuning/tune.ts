import { fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism, loadavg } from 'node:os'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RmbgError } from '../../errors.ts'
import { type ModelSpec, modelName } from '../contract.ts'
import { preparedShelf } from '../prepared/shelf.ts'
import { provideRuntime } from '../runtime/provide.ts'
import type { OpenOptions } from '../session.ts'
import { choose, type MeasuredCandidate, type Preference } from './choose.ts'
import { type KeptTuning, keepTuning } from './kept.ts'
import type { Measure, Measured } from './measure.ts'
import { type Candidate, candidatesFor, usualTuning } from './options.ts'

export interface TuneOptions extends Pick<OpenOptions, 'tell'> {
  modelsFolder: string
  prefer: Preference
  signal: AbortSignal
  /** Told before each measurement. */
  onMeasure: (name: string, index: number, count: number) => void
}

/**
 * Measures the ways to run a model on this machine's processor, one process after the other, and keeps the best for whoever
 * opens the model from now on.
 *
 * @throws RmbgError MODEL_INVALID where the model does not run, RUNTIME_UNAVAILABLE, OUTPUT_UNWRITABLE; what `signal` was
 *   aborted with
 */
export async function tuneModel(spec: ModelSpec, options: TuneOptions): Promise<KeptTuning> {
  const { modelsFolder, prefer, signal, onMeasure, tell } = options
  await provideRuntime({ tell })
  const candidates = candidatesFor(availableParallelism())
  for (const blockedLayout of [true, false]) {
    const tuning = { ...usualTuning(availableParallelism()), blockedLayout }
    await measureAlone({ spec, tuning, modelsFolder, onlyPrepare: true }, signal)
  }
  const measured: MeasuredCandidate[] = []
  let usualMask: Uint8Array | undefined
  for (const [index, candidate] of candidates.entries()) {
    onMeasure(candidate.name, index, candidates.length)
    const taken = await measureAlone({ spec, tuning: candidate.tuning, modelsFolder }, signal)
    if ('problem' in taken) {
      // What does not run as usual does not run at all.
      if (!usualMask) throw new RmbgError('MODEL_INVALID', taken.problem)
      measured.push({ ...candidate, ...taken })
      continue
    }
    usualMask ??= taken.mask
    measured.push(withFigures(candidate, taken, usualMask))
  }
  const { candidate, reason } = choose(measured, prefer)
  const { file, sha256, output } = spec
  await preparedShelf(modelsFolder, {
    sha256,
    output,
    blockedLayout: !candidate.tuning.blockedLayout,
  }).discard()
  const { name: chosen, tuning } = candidate
  return keepTuning(modelsFolder, {
    ...{ model: modelName(spec), file, sha256 },
    ...{ prefer, chosen, reason, tuning, measured },
  })
}

/** A sentence where other work on this machine makes times by the clock mean little; Windows does not tell. */
export function disturbance(): string | undefined {
  const [load = 0] = loadavg()
  if (load < availableParallelism() / 2) return undefined
  return `Other work keeps this machine busy (load ${load.toFixed(1)}): times by the clock mean little. CPU time and memory still do.`
}

function withFigures(candidate: Candidate, taken: Measured, usualMask: Uint8Array): MeasuredCandidate {
  const { mask, ...figures } = taken
  const maskOff = mask.reduce((most, value, index) => Math.max(most, Math.abs(value - usualMask[index]!)), 0)
  return { ...candidate, ...figures, maskOff }
}

/** In a process of its own. */
async function measureAlone(wanted: Measure, signal: AbortSignal): Promise<Measured | { problem: string }> {
  signal.throwIfAborted()
  // As this file is: compiled, or TypeScript that `--import` loads.
  const entry = fileURLToPath(new URL(`measure${extname(import.meta.url)}`, import.meta.url))
  const child = fork(entry, {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const stop = () => child.kill('SIGKILL')
  signal.addEventListener('abort', stop)
  try {
    const ended = once(child, 'exit')
    let answer: Measured | { problem: string } | undefined
    child.on('message', (message) => {
      answer = message as typeof answer
    })
    child.send(wanted)
    const [code, by] = await ended
    signal.throwIfAborted()
    return answer ?? { problem: `It ended with ${code ?? by}.` }
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
