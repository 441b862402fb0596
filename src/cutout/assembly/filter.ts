/** For every target pixel: the first source pixel that counts, and the weights of that one and the next. */
import { take } from './memory'

export class Filter {
  /** u32 for each target pixel. */
  first: usize = 0
  /** f32, `taps` for each target pixel, adding up to 1. */
  weights: usize = 0
  taps: i32 = 0
}

/** A triangle over the target pixel's place in the source, at least two source pixels wide. */
export function triangle(source: i32, target: i32): Filter {
  const scale = <f64>source / <f64>target
  const support = Math.max(scale, 1)
  const taps = min(<i32>Math.ceil(support * 2), source)
  const filter = changetype<Filter>(take(offsetof<Filter>()))
  filter.first = take(target * 4)
  filter.weights = take(target * taps * 4)
  filter.taps = taps
  for (let i = 0; i < target; i++) {
    const centre = (<f64>i + 0.5) * scale
    const from = min(max(<i32>Math.floor(centre - support + 0.5), 0), source - taps)
    let total: f64 = 0
    for (let tap = 0; tap < taps; tap++) total += weightOf(from + tap, centre, support)
    store<u32>(filter.first + i * 4, from)
    for (let tap = 0; tap < taps; tap++) {
      store<f32>(filter.weights + (i * taps + tap) * 4, <f32>(weightOf(from + tap, centre, support) / total))
    }
  }
  return filter
}

function weightOf(pixel: i32, centre: f64, support: f64): f64 {
  return Math.max(0, 1 - Math.abs((<f64>pixel + 0.5 - centre) / support))
}
