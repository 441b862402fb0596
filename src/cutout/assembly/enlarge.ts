// biome-ignore-all lint/style/useImportType: AssemblyScript knows no imports of types alone.
/**
 * Brings a matte to a picture's size with the filter that made the model's input: bilinear where the picture is larger, a
 * widened triangle where it is smaller. Arithmetic is in double precision, which JavaScript has, too.
 */
import { Filter, triangle } from './filter'
import { take } from './memory'
import { maximumOf } from './samples'

export class Enlarging {
  /** f32, 0..1. */
  values: usize = 0
  matteWidth: i32 = 0
  width: i32 = 0
  across: usize = 0
  down: usize = 0
  /** u32 for each value of a row: the first pixel beyond the span between it and the next value. */
  ends: usize = 0
  /** f32: a row of the matte at its own width, in the scale of alpha. */
  row: usize = 0
}

export function enlarging(
  values: usize,
  matteWidth: i32,
  matteHeight: i32,
  width: i32,
  height: i32,
): Enlarging {
  const enlarging = changetype<Enlarging>(take(offsetof<Enlarging>()))
  enlarging.values = values
  enlarging.matteWidth = matteWidth
  enlarging.width = width
  const across = triangle(matteWidth, width)
  enlarging.across = changetype<usize>(across)
  enlarging.down = changetype<usize>(triangle(matteHeight, height))
  enlarging.ends = endsOf(across, width, matteWidth)
  enlarging.row = take(matteWidth * 4 + 16)
  return enlarging
}

function endsOf(across: Filter, width: i32, columns: i32): usize {
  const ends = take(columns * 4)
  memory.fill(ends, 0, columns * 4)
  for (let x = 0; x < width; x++) store<u32>(ends + load<u32>(across.first + x * 4) * 4, x + 1)
  for (let column = 1; column < columns; column++) {
    const at = ends + column * 4
    store<u32>(at, max(load<u32>(at), load<u32>(at - 4)))
  }
  return ends
}

/**
 * @param own a row of RGBA when the picture has its own transparency, which alpha is multiplied by; otherwise 0
 * @param into alpha
 */
export function enlargeRow<T>(enlarging: Enlarging, y: i32, own: usize, into: usize): void {
  const across = changetype<Filter>(enlarging.across)
  const down = changetype<Filter>(enlarging.down)
  const width = enlarging.width
  const maximum = maximumOf<T>()
  const columns = enlarging.matteWidth
  const row = enlarging.row
  memory.fill(row, 0, columns * 4)
  for (let tap = 0; tap < down.taps; tap++) {
    const weight = <f64>load<f32>(down.weights + (y * down.taps + tap) * 4) * maximum
    const start = enlarging.values + (load<u32>(down.first + y * 4) + tap) * columns * 4
    if (weight > 0) addRow(start, weight, columns, row)
  }
  if (across.taps === 2 && width >= columns && own === 0) {
    memory.fill(into, 0, width * sizeof<T>())
    fillRow<T>(enlarging, across.weights, into)
    return
  }
  let weights = across.weights
  for (let x = 0; x < width; x++) {
    let value: f64 = 0
    let from = row + load<u32>(across.first + x * 4) * 4
    for (let tap = 0; tap < across.taps; tap++) {
      value += <f64>load<f32>(from) * <f64>load<f32>(weights)
      from += 4
      weights += 4
    }
    if (own !== 0) value = (value * <f64>load<T>(own + (x * 4 + 3) * sizeof<T>())) / maximum
    store<T>(into + x * sizeof<T>(), <T>(<i32>(value + 0.5)))
  }
}

/** Adds values (f32) times a weight to sums (f32). */
export function addRow(from: usize, weight: f64, count: i32, row: usize): void {
  const weights = f64x2.splat(weight)
  let at: usize = 0
  for (const end = <usize>(count & ~3) * 4; at < end; at += 16) {
    const values = v128.load(from + at)
    const sums = v128.load(row + at)
    const low = sum(f64x2.promote_low_f32x4(sums), f64x2.promote_low_f32x4(values), weights)
    const high = sum(f64x2.promote_low_f32x4(upper(sums)), f64x2.promote_low_f32x4(upper(values)), weights)
    v128.store(row + at, v128.shuffle<f32>(low, high, 0, 1, 4, 5))
  }
  for (const end = <usize>count * 4; at < end; at += 4) {
    store<f32>(row + at, <f32>(<f64>load<f32>(row + at) + <f64>load<f32>(from + at) * weight))
  }
}

function upper(values: v128): v128 {
  return v128.shuffle<i64>(values, values, 1, 1)
}

function sum(sums: v128, values: v128, weights: v128): v128 {
  return f32x4.demote_f64x2_zero(f64x2.add(sums, f64x2.mul(values, weights)))
}

/** Does not interpolate between neighbors that round to the same level: most of a matte is 0 or full. */
function fillRow<T>(enlarging: Enlarging, weights: usize, into: usize): void {
  const row = enlarging.row
  const last = enlarging.matteWidth - 1
  let x = 0
  for (let column = 0; column < last; ) {
    const left = <f64>load<f32>(row + column * 4)
    const level = <i32>(left + 0.5)
    const first = column
    while (column < last && <i32>(<f64>load<f32>(row + column * 4 + 4) + 0.5) === level) column++
    if (column > first) {
      const end = <i32>load<u32>(enlarging.ends + (column - 1) * 4)
      if (level > 0) fill<T>(into, x, end, level)
      x = end
    } else {
      const right = <f64>load<f32>(row + column * 4 + 4)
      for (const end = <i32>load<u32>(enlarging.ends + column * 4); x < end; x++) {
        const value =
          left * <f64>load<f32>(weights + x * 8) + right * <f64>load<f32>(weights + x * 8 + 4) + 0.5
        store<T>(into + x * sizeof<T>(), <T>(<i32>value))
      }
      column++
    }
  }
}

function fill<T>(into: usize, from: i32, to: i32, level: i32): void {
  if (sizeof<T>() === 1) memory.fill(into + from, <u8>level, to - from)
  else for (let x = from; x < to; x++) store<T>(into + x * sizeof<T>(), <T>level)
}
