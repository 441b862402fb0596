/** What the processor itself counts, by `perf stat`: it says the same on a busy machine as on an idle one. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { once } from '../../../src/once.ts'
import { type Spread, spread, told } from './spread.ts'

/** Of a program with all its threads and children, from its start to its end. */
export interface Counts {
  /** Outside the kernel. */
  instructions?: number
  /** Of the whole processor, with whatever else it did meanwhile. */
  joules?: number
}

const instructionEvent = 'instructions:u'
const energyEvent = 'power/energy-pkg/'

/** Reads what `perf stat -x ';'` wrote; what could not be counted is not there. */
export function countsIn(text: string): Counts {
  const counts: Counts = {}
  for (const line of text.split('\n')) {
    const [value = '', , event = ''] = line.split(';')
    const count = Number(value.replace(',', '.'))
    if (value === '' || Number.isNaN(count)) continue
    if (event.startsWith('instructions')) counts.instructions = count
    if (event === energyEvent) counts.joules = count
  }
  return counts
}

/** How a program is to be started so that it is counted, or why it cannot be. */
export interface Counters {
  /** Stands before the command; empty where nothing can be counted. What is counted is written to the files. */
  under: (files: CountFiles) => string[]
  /** For a person: what is not counted, and why; undefined where all is. */
  leftOut?: string
}

/** Energy is counted for the whole machine, which one `perf` cannot do beside a single program. */
interface CountFiles {
  instructions: string
  energy: string
}

export const countFilesIn = (folder: string): CountFiles => ({
  instructions: join(folder, 'instructions'),
  energy: join(folder, 'energy'),
})

export async function readCounts(files: CountFiles): Promise<Counts> {
  const texts = await Promise.all(Object.values(files).map((file) => readFile(file, 'utf8').catch(() => '')))
  return countsIn(texts.join('\n'))
}

const stat = (file: string, event: string, wholeMachine: boolean): string[] => [
  ...['perf', 'stat', '-x', ';', '-o', file, '-e', event],
  ...(wholeMachine ? ['-a'] : []),
  '--',
]

/** Asked once, by counting a program that does nothing. */
export const counters = once(async (): Promise<Counters> => {
  const onPath = (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'perf')))
  if (!onPath)
    return { under: () => [], leftOut: 'Instructions and joules are not counted: there is no perf.' }
  const instructions = await isCounted(instructionEvent, false)
  const energy = await isCounted(energyEvent, true)
  const missing = [...(instructions ? [] : [instructionEvent]), ...(energy ? [] : [energyEvent])]
  return {
    under: (files) => [
      ...(energy ? stat(files.energy, energyEvent, true) : []),
      ...(instructions ? stat(files.instructions, instructionEvent, false) : []),
    ],
    ...(missing.length > 0 && { leftOut: leftOut(missing) }),
  }
})

const leftOut = (events: readonly string[]): string =>
  `perf cannot count ${events.join(' and ')} here: this processor or virtual machine has no such counter, or kernel.perf_event_paranoid forbids it.`

async function isCounted(event: string, wholeMachine: boolean): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-bench-perf-'))
  try {
    const file = join(folder, 'counts')
    const [command, ...args] = stat(file, event, wholeMachine)
    await promisify(execFile)(command!, [...args, 'true'])
    return Object.keys(countsIn(await readFile(file, 'utf8'))).length > 0
  } catch {
    return false
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** An image's share of what runs were counted with; absent where nothing was counted. */
export interface CountSpreads {
  /** Millions. */
  megaInstructions?: Spread
  joules?: Spread
}

export function countSpreads(runs: readonly { counts: Counts }[], images: number): CountSpreads {
  const of = (key: keyof Counts) => runs.flatMap(({ counts }) => counts[key] ?? [])
  const [instructions, joules] = [of('instructions'), of('joules')]
  return {
    ...(instructions.length > 0 && {
      megaInstructions: spread(instructions.map((count) => count / images / 1e6)),
    }),
    ...(joules.length > 0 && { joules: spread(joules.map((each) => each / images)) }),
  }
}

/** The heads of columns, for a table some row of which was counted. */
export const countHeads = (rows: readonly CountSpreads[]): string[] => [
  ...(rows.some((row) => row.megaInstructions) ? ['M INSTRUCTIONS'] : []),
  ...(rows.some((row) => row.joules) ? ['JOULES'] : []),
]

/** The cells below them. */
export const countCells = (rows: readonly CountSpreads[], row: CountSpreads): string[] => [
  ...(rows.some((each) => each.megaInstructions)
    ? [row.megaInstructions ? told(row.megaInstructions) : '']
    : []),
  ...(rows.some((each) => each.joules) ? [row.joules ? told(row.joules) : ''] : []),
]
