import { freeBytes } from '../../free-bytes.ts'

/**
 * Buffers of whole pictures, used for one after the other. New ones would be filled with zeros by the system page by page,
 * and force collections of garbage, because they lie outside the heap.
 */

/** Bytes that wait in a thread for the next picture, at most. */
const mostIdle = 16 * 2 ** 20

/** The newest last. */
const idle: ArrayBuffer[] = []

/**
 * @param size bytes
 * @returns a buffer of at least that size, and whether all of it is 0
 */
export function takeBuffer(size: number): { buffer: ArrayBuffer; isClear: boolean } {
  // A much larger one would be missing where its size is needed.
  const found = idle.findLastIndex(({ byteLength }) => byteLength >= size && byteLength <= size * 1.5)
  const [buffer] = found < 0 ? [] : idle.splice(found, 1)
  return buffer ? { buffer, isClear: false } : { buffer: new ArrayBuffer(size), isClear: true }
}

/** Nobody may read or write them any more. */
export function giveBack(...buffers: ArrayBuffer[]): void {
  idle.push(...buffers)
  let total = idle.reduce((sum, { byteLength }) => sum + byteLength, 0)
  while (total > mostIdle) {
    const oldest = idle.shift()!
    total -= oldest.byteLength
    freeBytes(new Uint8Array(oldest))
  }
}
