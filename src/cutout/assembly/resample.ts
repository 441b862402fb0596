/** Resizes a picture to a model's size. */
import { triangle } from './filter'
import { readPicture } from './host'
import { take } from './memory'

/** @returns the address of interleaved 8-bit RGB */
export function resampleOf<T>(
  width: i32,
  height: i32,
  channels: i32,
  targetWidth: i32,
  targetHeight: i32,
): usize {
  const across = triangle(width, targetWidth)
  const down = triangle(height, targetHeight)
  const unit: f32 = sizeof<T>() === 1 ? 1 : <f32>255 / 65535
  const values = targetWidth * 3
  const result = take(values * targetHeight + 16)
  const source = take(width * channels * sizeof<T>())
  // Each row is narrowed once, and kept here for the target rows that need it.
  const stride = <usize>(values + 16) * 4
  const narrowed = take(stride * down.taps)
  let next = 0
  for (let y = 0; y < targetHeight; y++) {
    const first = <i32>load<u32>(down.first + y * 4)
    for (; next < first + down.taps; next++) {
      readPicture(next, 1, source)
      const row = narrowed + <usize>(next % down.taps) * stride
      if (channels === 4)
        narrowOnWhite<T>(source, targetWidth, across.first, across.weights, across.taps, row)
      else narrow<T>(source, targetWidth, across.first, across.weights, across.taps, row)
    }
    // What is written beyond the row is overwritten by the next.
    for (let i = 0; i < values; i += 16) {
      store16(
        result + y * values + i,
        narrowed,
        stride,
        i * 4,
        first,
        down.taps,
        down.weights + y * down.taps * 4,
        unit,
      )
    }
  }
  return result
}

/** Sixteen samples of a row: the weighted sums of the narrowed rows. */
function store16(
  into: usize,
  narrowed: usize,
  stride: usize,
  offset: usize,
  first: i32,
  taps: i32,
  weights: usize,
  unit: f32,
): void {
  let a = f32x4.splat(0.5)
  let b = a
  let c = a
  let d = a
  let row = first % taps
  for (let tap = 0; tap < taps; tap++) {
    const weight = f32x4.splat(load<f32>(weights + tap * 4) * unit)
    const at = narrowed + <usize>row * stride + offset
    a = f32x4.add(a, f32x4.mul(v128.load(at), weight))
    b = f32x4.add(b, f32x4.mul(v128.load(at, 16), weight))
    c = f32x4.add(c, f32x4.mul(v128.load(at, 32), weight))
    d = f32x4.add(d, f32x4.mul(v128.load(at, 48), weight))
    if (++row === taps) row = 0
  }
  const low = i16x8.narrow_i32x4_u(i32x4.trunc_sat_f32x4_u(a), i32x4.trunc_sat_f32x4_u(b))
  const high = i16x8.narrow_i32x4_u(i32x4.trunc_sat_f32x4_u(c), i32x4.trunc_sat_f32x4_u(d))
  v128.store(into, i8x16.narrow_i16x8_u(low, high))
}

/** Red, green and blue of a pixel and one sample more, which nobody looks at. */
function colors<T>(at: usize): v128 {
  return sizeof<T>() === 1
    ? f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(at))))
    : f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(v128.load64_zero(at)))
}

/** One row of a picture at the target's width, in the picture's own scale. */
function narrow<T>(source: usize, width: i32, first: usize, weights: usize, taps: i32, row: usize): void {
  const pixel = 3 * sizeof<T>()
  for (let x = 0; x < width; x++) {
    let sum = f32x4.splat(0)
    let from = source + load<u32>(first + x * 4) * pixel
    for (let tap = 0; tap < taps; tap++) {
      sum = f32x4.add(sum, f32x4.mul(colors<T>(from), v128.load32_splat(weights)))
      from += pixel
      weights += 4
    }
    v128.store(row + x * 12, sum)
  }
}

/** The same for RGBA. */
function narrowOnWhite<T>(
  source: usize,
  width: i32,
  first: usize,
  weights: usize,
  taps: i32,
  row: usize,
): void {
  const pixel = 4 * sizeof<T>()
  const maximum: f32 = sizeof<T>() === 1 ? 255 : 65535
  for (let x = 0; x < width; x++) {
    let sum = f32x4.splat(0)
    let from = source + load<u32>(first + x * 4) * pixel
    for (let tap = 0; tap < taps; tap++) {
      const weight = load<f32>(weights)
      const own = (<f32>load<T>(from + 3 * sizeof<T>()) / maximum) * weight
      const white = f32x4.splat(maximum * weight - maximum * own)
      sum = f32x4.add(sum, f32x4.add(f32x4.mul(colors<T>(from), f32x4.splat(own)), white))
      from += pixel
      weights += 4
    }
    v128.store(row + x * 12, sum)
  }
}
