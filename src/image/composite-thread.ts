import { move, transferableSymbol, valueSymbol } from 'piscina'
import { type CompositeTask, composite } from './composite.ts'

/** What a pixel thread runs; the planes go back without being copied. */
export default function run(task: CompositeTask) {
  const cutout = composite(task)
  return move({
    get [transferableSymbol]() {
      return [cutout.mask.buffer, cutout.rgba.buffer]
    },
    get [valueSymbol]() {
      return cutout
    },
  })
}
