import { describe, expect, it } from 'vitest'
import { freeBytes } from '../src/free-bytes.ts'

describe('bytes that are freed', () => {
  it('are empty at once, and no collection of garbage is waited for', () => {
    const before = process.memoryUsage().arrayBuffers
    const bytes = Array.from({ length: 8 }, () => new Uint8Array(2 ** 20).fill(1))
    freeBytes(...bytes)
    expect(bytes.map(({ byteLength }) => byteLength)).toEqual(Array(8).fill(0))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20)
  })

  it('stay where they share a buffer with others', () => {
    const whole = Uint8Array.of(1, 2, 3, 4)
    freeBytes(whole.subarray(1), Buffer.from('pooled'), new Uint8Array(new SharedArrayBuffer(4)))
    expect(whole).toEqual(Uint8Array.of(1, 2, 3, 4))
  })

  it('may be named twice, and once more when they are gone', () => {
    const bytes = Uint8Array.of(1)
    freeBytes(bytes, bytes)
    freeBytes(bytes)
    expect(bytes).toHaveLength(0)
  })
})
