/**
 * What the kernels of assembly/ take, next to the same in JavaScript (test/cutout/pixels/reference): CPU time of one thread,
 * nanoseconds a pixel, the least of many runs, since all else that the machine does only adds to it.
 * Run with: node --import tsx test/bench/kernels.ts
 */
import { readFile } from 'node:fs/promises'
import { decode } from '../../src/cutout/codec/decode.ts'
import type { Picture } from '../../src/cutout/picture.ts'
import { type CompositeTask, composite, release } from '../../src/cutout/pixels/composite.ts'
import type { MattePlane } from '../../src/cutout/pixels/matte.ts'
import { resample } from '../../src/cutout/pixels/resample.ts'
import { composite as compositeInJs } from '../cutout/pixels/reference/composite.ts'
import { resample as resampleInJs } from '../cutout/pixels/reference/resample.ts'
import { pictures } from './speed/pictures.ts'
import { figure } from './speed/spread.ts'

/** CPU milliseconds, the least of the runs. */
function least(runs: number, work: () => void): number {
  const each = Array.from({ length: runs }, () => {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  })
  return Math.min(...each)
}

/** The ellipse of the bench's models (speed/models.ts). */
function ellipse(size: number): MattePlane {
  const values = Float32Array.from({ length: size * size }, (_, at) => {
    const [u, v] = [((at % size) + 0.5) / size - 0.5, (Math.floor(at / size) + 0.5) / size - 0.5]
    return Math.min(1, Math.max(0, 10.4 - 10 * Math.hypot(u / 0.28, v / 0.36)))
  })
  return { values, width: size, height: size }
}

const rows: Record<string, string | number>[] = []

function compare(what: string, { width, height }: Picture, ours: () => void, inJs: () => void): void {
  const pixels = width * height
  const runs = pixels > 2e6 ? 8 : 40
  const [ms, jsMs] = [least(runs, ours), least(runs, inJs)]
  rows.push({
    WHAT: what,
    MP: figure(pixels / 1e6),
    'JS MS': figure(jsMs),
    'JS NS/PX': figure((jsMs * 1e6) / pixels),
    'WASM MS': figure(ms),
    'WASM NS/PX': figure((ms * 1e6) / pixels),
    TIMES: figure(jsMs / ms),
  })
}

for (const megapixels of [1, 12] as const) {
  const [file] = await pictures(megapixels, 1)
  const picture = await decode(await readFile(file!))
  for (const size of [320, 1024]) {
    for (const [name, choice] of Object.entries({
      'alpha, composite, review': { guided: false, refine: false },
      'the same, foreground colors': { guided: false, refine: true },
      'the same, guided': { guided: true, refine: true },
    })) {
      const task: CompositeTask = { picture, matte: ellipse(size), keepHiddenColor: false, ...choice }
      const ours = () => release(composite(task))
      compare(`${name}; matte ${size}`, picture, ours, () => compositeInJs(task))
    }
  }
  const [ours, inJs] = [resample, resampleInJs].map((stretch) => () => void stretch(picture, 1024, 1024))
  compare('to 1024 pixels a side', picture, ours!, inJs!)
}
console.table(rows)
