/** A JPEG that lacks only its end marker is whole; one that lacks more is damaged. */
import sharp, { type JpegOptions } from 'sharp'
import { describe, expect, it } from 'vitest'
import { decode } from '../../../src/cutout/codec/decode.ts'
import { withEnds } from '../../../src/cutout/codec/jpeg-end.ts'
import { picture } from '../../support/images.ts'

const corrupt = { code: 'INPUT_CORRUPT' }
const kinds: [string, JpegOptions][] = [
  ['baseline', {}],
  ['baseline without halved colors', { chromaSubsampling: '4:4:4', optimiseCoding: false }],
  ['progressive', { progressive: true }],
  ['progressive with other scans', { mozjpeg: true }],
]

describe.each(kinds)('a JPEG: %s', (_, options) => {
  const make = () => picture(5).jpeg(options).toBuffer()

  it('is whole without its end marker, or with the half of it', async () => {
    const bytes = await make()
    expect(bytes.readUInt16BE(bytes.length - 2)).toBe(0xffd9)
    const { data } = await decode(bytes)
    for (const missing of [2, 1]) {
      const image = await decode(bytes.subarray(0, bytes.length - missing))
      expect(Buffer.compare(image.data as Uint8Array, data as Uint8Array), `${missing} missing`).toBe(0)
    }
  })

  it('is damaged when more is missing, wherever it is cut', async () => {
    const bytes = await make()
    // Each of the last bytes, and places all over the file.
    for (let missing = 3; missing < bytes.length - 200; missing += missing < 100 ? 1 : 97) {
      const cut = bytes.subarray(0, bytes.length - missing)
      await expect(decode(cut), `${missing} missing`).rejects.toMatchObject(corrupt)
    }
  })

  it('is damaged when it is cut between two segments or scans', async () => {
    const bytes = await make()
    const cuts: number[] = []
    for (let at = 2; at < bytes.length - 2; at++) {
      if (
        bytes[at] === 0xff &&
        bytes[at + 1]! >= 0xc0 &&
        !(bytes[at + 1]! >= 0xd0 && bytes[at + 1]! <= 0xd7)
      ) {
        cuts.push(at)
      }
    }
    expect(cuts.length).toBeGreaterThan(options.progressive || options.mozjpeg ? 8 : 3)
    for (const length of cuts) {
      await expect(decode(bytes.subarray(0, length)), `${length} bytes`).rejects.toMatchObject(corrupt)
    }
  })
})

describe('the end marker', () => {
  it('is added to no other file', async () => {
    const jpeg = await picture(5).jpeg().toBuffer()
    expect(withEnds(jpeg)).toEqual([])
    expect(withEnds(Buffer.concat([jpeg, Buffer.from('a trailer')]))).toEqual([])
    expect(withEnds(await picture(5).png().toBuffer())).toEqual([])
    for (const bytes of [
      '',
      'ffd8',
      'ffd8ff',
      'ffd8ffda',
      'ffd8ffda0000',
      'ffd8ffffffffff',
      'ffd8ffc0000000',
    ]) {
      expect(withEnds(Buffer.from(bytes, 'hex')), bytes).toEqual([])
    }
  })

  it('is not added where arithmetic coding may take missing bytes for zeros', async () => {
    const jpeg = await picture(5).jpeg().toBuffer()
    const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]))
    expect(frame).toBeGreaterThan(0)
    const cut = jpeg.subarray(0, jpeg.length - 2)
    expect(withEnds(cut)[0]).toEqual(jpeg)
    cut[frame + 1] = 0xc9
    expect(withEnds(cut)).toEqual([])
  })

  it('does not rescue scans of single colors of which one is missing', async () => {
    // Three scans of a color each, as sharp writes none: the headers alone, each followed by a byte.
    const frame = 'ffc00011080008000803011100021100031100'
    const scan = (component: number) => `ffda00080${1}0${component}00003f0000`
    const three = [1, 2, 3].map(scan).join('')
    expect(withEnds(Buffer.from(`ffd8${frame}${three}`, 'hex'))).not.toEqual([])
    expect(withEnds(Buffer.from(`ffd8${frame}${scan(1)}${scan(2)}`, 'hex'))).toEqual([])
  })

  it('does not make a picture of another kind whole', async () => {
    const raw = await sharp({ create: { width: 40, height: 40, channels: 3, background: '#123' } })
      .png()
      .toBuffer()
    await expect(decode(raw.subarray(0, raw.length - 14))).rejects.toMatchObject(corrupt)
  })
})
