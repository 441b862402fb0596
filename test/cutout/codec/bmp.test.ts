import { describe, expect, it } from 'vitest'
import { readBmpHeader } from '../../../src/cutout/codec/bmp.ts'
import { decode } from '../../../src/cutout/codec/decode.ts'
import { readHeader } from '../../../src/cutout/codec/header.ts'

interface Made {
  bits: 1 | 4 | 8 | 16 | 24 | 32
  width?: number
  topDown?: boolean
  compression?: number
  /** Red, green, blue and alpha, with which the header is one of 56 bytes. */
  masks?: number[]
  headerSize?: number
}

const height = 3
/** Color of a pixel; all have other ones. */
const colorAt = (x: number, y: number): [number, number, number] => [
  10 + x * 16,
  20 + y * 60,
  (x + y) % 2 ? 250 : 5,
]

/** A BMP by Microsoft's description, independent of the library. Palettes have the colors in the order of the pixels. */
function bmp({ bits, width = 5, topDown = false, compression = 0, masks, headerSize }: Made): Buffer {
  const size = headerSize ?? (masks ? 56 : 40)
  const palette: Buffer[] = []
  const rows: Buffer[] = []
  for (let y = 0; y < height; y++) {
    const row = Buffer.alloc(Math.ceil((width * bits) / 32) * 4)
    for (let x = 0; x < width; x++) {
      const [red, green, blue] = bits === 1 ? colorAt((x + y) % 2, 0) : colorAt(x, y)
      if (bits === 1) row[x >> 3]! |= ((x + y) % 2) << (7 - (x % 8))
      if (bits === 8) {
        row[x] = palette.length
        palette.push(Buffer.from([blue, green, red, 0]))
      }
      if (bits === 24) row.set([blue, green, red], x * 3)
      if (bits === 32) row.set(masks ? [100 + x, blue, green, red] : [blue, green, red, 0], x * 4)
    }
    rows.push(row)
  }
  if (bits === 1) {
    for (const index of [0, 1]) {
      const [red, green, blue] = colorAt(index, 0)
      palette.push(Buffer.from([blue, green, red, 0]))
    }
  }
  const pixels = Buffer.concat(topDown ? rows : rows.reverse())
  const head = Buffer.alloc(14 + size)
  const offset = head.length + palette.length * 4
  head.write('BM')
  head.writeUInt32LE(offset + pixels.length, 2)
  head.writeUInt32LE(offset, 10)
  head.writeUInt32LE(size, 14)
  head.writeInt32LE(width, 18)
  head.writeInt32LE(topDown ? -height : height, 22)
  head.writeUInt16LE(1, 26)
  head.writeUInt16LE(bits, 28)
  head.writeUInt32LE(masks ? 3 : compression, 30)
  head.writeUInt32LE(palette.length, 46)
  for (const [index, mask] of (masks ?? []).entries()) head.writeUInt32LE(mask, 54 + index * 4)
  return Buffer.concat([head, ...palette, pixels])
}

/** As `bmp` puts them in: alpha stands first in a pixel. */
const masks = [0xff000000, 0xff0000, 0xff00, 0xff]

describe('a BMP', () => {
  describe.each([1, 8, 24, 32] as const)('with %i bits per pixel', (bits) => {
    it.each([1, 2, 3, 4, 5, 6, 15])(
      'has its colors, from below and from above, %i pixels wide',
      async (width) => {
        for (const topDown of [false, true]) {
          const { data, channels, ...size } = await decode(bmp({ bits, width, topDown }))
          expect(channels).toBe(3)
          expect(size).toMatchObject({ width, height })
          for (let y = 0; y < height; y++) {
            for (let x = 0; x < size.width; x++) {
              const wanted = bits === 1 ? colorAt((x + y) % 2, 0) : colorAt(x, y)
              expect([...data.subarray((y * size.width + x) * 3).subarray(0, 3)]).toEqual(wanted)
            }
          }
        }
      },
    )
  })

  it('has transparency where it says so', async () => {
    const { data, channels } = await decode(bmp({ bits: 32, masks }))
    expect(channels).toBe(4)
    expect([...data.subarray(0, 8)]).toEqual([...colorAt(0, 0), 100, ...colorAt(1, 0), 101])
  })

  it('is measured without being read', async () => {
    const limits = { maxPixels: 1000, allowSvg: false }
    expect(await readHeader(bmp({ bits: 24 }), limits)).toEqual({
      ...{ format: 'bmp', extension: 'bmp', width: 5, height, bitDepth: 8, frames: 1 },
    })
    await expect(readHeader(bmp({ bits: 24 }), { ...limits, maxPixels: 10 })).rejects.toMatchObject({
      code: 'INPUT_TOO_LARGE',
    })
    expect(await readBmpHeader(Buffer.from('BMW.jpg\nAudi.jpg\nanother car.jpg\n'))).toBeUndefined()
  })

  it.each<[string, Made]>([
    ['16 bits', { bits: 16 }],
    ['4 bits', { bits: 4 }],
    ['run lengths', { bits: 8, compression: 1 }],
    ['an old header', { bits: 24, headerSize: 64 }],
    ['masks of 10 bits', { bits: 32, masks: [0x3ff00000, 0xffc00, 0x3ff, 0] }],
  ])('of a kind that would get wrong colors is refused: %s', async (_, made) => {
    await expect(decode(bmp(made))).rejects.toMatchObject({ code: 'INPUT_UNSUPPORTED' })
  })

  it('that is cut off is damaged', async () => {
    await expect(decode(bmp({ bits: 24 }).subarray(0, -1))).rejects.toMatchObject({ code: 'INPUT_CORRUPT' })
  })
})
