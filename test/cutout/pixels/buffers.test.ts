import { describe, expect, it } from 'vitest'
import { giveBack, takeBuffer } from '../../../src/cutout/pixels/buffers.ts'

const megabyte = 2 ** 20

describe('buffers of pictures', () => {
  it('are used again for pictures of about their size, and for no smaller ones', () => {
    const { buffer, isClear } = takeBuffer(3 * megabyte)
    expect(isClear).toBe(true)
    giveBack(buffer)
    expect(takeBuffer(megabyte).buffer).not.toBe(buffer)
    expect(takeBuffer(2.5 * megabyte)).toEqual({ buffer, isClear: false })
    expect(takeBuffer(2.5 * megabyte).buffer).not.toBe(buffer)
  })

  it('wait in a thread only up to a limit, and the oldest go first', () => {
    const all = Array.from({ length: 5 }, () => takeBuffer(5 * megabyte).buffer)
    giveBack(...all)
    const found = Array.from({ length: 5 }, () => takeBuffer(5 * megabyte)).filter(({ isClear }) => !isClear)
    expect(found.map(({ buffer }) => all.indexOf(buffer))).toEqual([4, 3, 2])
    giveBack(new ArrayBuffer(40 * megabyte))
    expect(takeBuffer(40 * megabyte).isClear).toBe(true)
  })
})
