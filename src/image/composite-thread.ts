import { move } from 'piscina'
import { type CompositeTask, type Cutout, composite } from './composite.ts'

/** What a pixel thread runs; the planes go back without being copied. */
export default function run(task: CompositeTask): Cutout {
  const cutout = composite(task)
  return {
    ...cutout,
    mask: move(cutout.mask) as unknown as Cutout['mask'],
    rgba: move(cutout.rgba) as unknown as Cutout['rgba'],
  }
}
