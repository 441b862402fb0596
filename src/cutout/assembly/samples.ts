/** Samples of 8 and of 16 bits. */

export function maximumOf<T>(): f64 {
  return sizeof<T>() === 1 ? 255 : 65535
}

/** The same samples in 8 bits. */
export function toBytes<T>(from: usize, count: i32, into: usize): void {
  if (sizeof<T>() === 1) {
    memory.copy(into, from, count)
    return
  }
  for (let i = 0; i < count; i++) {
    store<u8>(into + i, <u8>(<i32>(<f64>load<T>(from + i * sizeof<T>()) / 257 + 0.5)))
  }
}
