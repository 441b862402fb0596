import { crc32 } from 'node:zlib'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { readHeader } from '../../../src/cutout/codec/header.ts'

const frames = async (bytes: Buffer) => (await readHeader(bytes, { maxPixels: 1e6, allowSvg: false })).frames
const colors = ['#f00', '#0f0', '#00f']
const pages = colors.map((background) => ({
  create: { width: 8, height: 8, channels: 3 as const, background },
}))
const joined = () =>
  Promise.all(pages.map((page) => sharp(page).png().toBuffer())).then((files) =>
    sharp(files, { join: { animated: true } }),
  )
const single = () => sharp(pages[0])

/** A PNG with the chunk that says how many frames an animation has. */
async function apng(count: number): Promise<Buffer> {
  const png = await single().png().toBuffer()
  const chunk = Buffer.alloc(20)
  chunk.writeUInt32BE(8)
  chunk.write('acTL', 4)
  chunk.writeUInt32BE(count, 8)
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 16)), 16)
  return Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)])
}

describe('the header of a picture', () => {
  it('tells the frames of animations and the pages of documents', async () => {
    expect(await frames(await (await joined()).gif().toBuffer())).toBe(3)
    expect(await frames(await (await joined()).webp().toBuffer())).toBe(3)
    expect(await frames(await (await joined()).tiff().toBuffer())).toBe(3)
    expect(await frames(await apng(7))).toBe(7)
  })

  it('tells one of all others', async () => {
    expect(await frames(await single().gif().toBuffer())).toBe(1)
    expect(await frames(await single().png().toBuffer())).toBe(1)
    expect(await frames(await single().jpeg().toBuffer())).toBe(1)
  })
})
