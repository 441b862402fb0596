/** What the parts of the speed bench find, and where it is kept. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { FirstPictureRow } from '../first-picture.ts'
import type { JobsRow, RerunRow } from './jobs.ts'
import type { LimitRow } from './limit.ts'
import type { LargeRow, MemoryRow, OnServerRow } from './memory.ts'
import type { ImglyResult } from './peer-imgly.ts'
import type { TransformersRow } from './peer-transformers.ts'
import { save } from './place.ts'
import type { PngResult } from './png.ts'
import type { StartupRow } from './startup.ts'

export interface Results {
  limit: LimitRow[]
  transformers: TransformersRow[]
  imgly: ImglyResult
  jobs: { jobs: JobsRow[]; reruns: RerunRow[] }
  startup: StartupRow[]
  first: FirstPictureRow[]
  memory: { runs: MemoryRow[]; large: LargeRow[]; onServer?: OnServerRow }
  png: PngResult
}

export type PartName = keyof Results

/** In the order in which they run. */
export const partNames = [
  'limit',
  'transformers',
  'imgly',
  'jobs',
  'startup',
  'first',
  'memory',
  'png',
] as const satisfies PartName[]

/** When and on what it was measured. */
export interface Circumstances {
  /** YYYY-MM-DD. */
  date: string
  node: string
  onnxruntime: string
  cores: number
  cpu: string | undefined
  /** With its file system. */
  folder: string
  /** Other work on the machine shows here. */
  loadBefore: number
  quick?: true
}

export type Kept<Name extends PartName> = Circumstances & { result: Results[Name] }

/** Parts that were never measured are absent. */
export type KeptResults = { [Name in PartName]?: Kept<Name> }

const fileOf = (name: PartName) => fileURLToPath(new URL(`../results/speed-${name}.json`, import.meta.url))

export async function readResults(): Promise<KeptResults> {
  const entries = await Promise.all(
    partNames.map(async (name) => {
      const text = await readFile(fileOf(name), 'utf8').catch(() => undefined)
      return text === undefined ? [] : [[name, JSON.parse(text)]]
    }),
  )
  return Object.fromEntries(entries.flat())
}

export const keepResult = <Name extends PartName>(name: Name, kept: Kept<Name>): Promise<void> =>
  save(fileOf(name), `${JSON.stringify(kept, null, 2)}\n`)
