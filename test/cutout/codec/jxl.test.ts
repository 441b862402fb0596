import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, type Mock, vi } from 'vitest'
import { decode } from '../../../src/cutout/codec/decode.ts'
import { readHeader } from '../../../src/cutout/codec/header.ts'
import { estimateBytes } from '../../../src/cutout/memory.ts'
import type { CutoutRecipe } from '../../../src/cutout/options.ts'
import { pictureFile } from '../../../src/process/source.ts'
import { root } from '../../support/cli.ts'
import { blue, expectColors, fromP3, green, grey, plain, quarters as quartersOf, red } from './quarters.ts'

/** Only the last test starts threads: each of them would have to load TypeScript first. */
vi.mock('../../../src/cutout/codec/jxl-thread.ts', async (original) => {
  const { askOxide } = await import('../../../src/cutout/codec/jxl-oxide.ts')
  const { askInThread } = await original<typeof import('../../../src/cutout/codec/jxl-thread.ts')>()
  return { askInThread: vi.fn(askOxide), inThread: askInThread }
})

const path = (name: string) => join(root, 'test/cutout/codec/jxl', `${name}.jxl`)
const file = (name: string) => readFile(path(name))
const limits = { maxPixels: 1e6, allowSvg: false }
const header = async (name: string) => readHeader(await file(name), limits)
const quarters = async (name: string, keepProfile = false) => quartersOf(await file(name), keepProfile)

describe('a JPEG XL picture', () => {
  it.each(['plain', 'boxes'])('is known by its content, bare or in boxes: %s', async (name) => {
    const known = { format: 'jxl', extension: 'jxl', width: 64, height: 48, bitDepth: 8, frames: 1 }
    expect(await header(name)).toEqual(known)
    expect(await readHeader(pictureFile(path(name)), limits)).toEqual(known)
    const { data } = await decode(await file(name))
    const wanted = Array.from(
      { length: 64 * 48 },
      (_, at) => plain[(at >= 64 * 24 ? 2 : 0) + (at % 64 >= 32 ? 1 : 0)],
    )
    expect(Buffer.from(data)).toEqual(Buffer.from(wanted.flatMap((color) => [...color!])))
  })

  it('is refused by its size before it is decoded, and needs memory for its decoder', async () => {
    await expect(readHeader(await file('plain'), { ...limits, maxPixels: 3000 })).rejects.toMatchObject({
      code: 'INPUT_TOO_LARGE',
    })
    // FF0A, then a size of 2^30 by 2^30.
    const huge = Buffer.concat([Buffer.from('ff0a', 'hex'), Buffer.alloc(60, 0xfe)])
    await expect(readHeader(huge, { ...limits, maxPixels: Number.POSITIVE_INFINITY })).rejects.toMatchObject({
      code: 'INPUT_TOO_LARGE',
    })
    const recipe = { depth: 8, format: 'png', trim: false, padding: { pixels: 0 } } as CutoutRecipe
    const large = { width: 4000, height: 3000 }
    const bytesOf = (format: string) => estimateBytes({ ...large, format }, 0, recipe)
    expect(bytesOf('jxl') - bytesOf('jpeg')).toBeGreaterThanOrEqual(4000 * 3000 * 40)
  })

  it('that is lossy has the colors of the reference decoder', async () => {
    // djxl 0.7.0
    const reference = [
      [200, 39, 28],
      [28, 160, 60],
      [40, 60, 190],
      [128, 128, 128],
    ]
    expectColors((await quarters('lossy')).colors, reference, 1)
  })

  it.each(['p3', 'p3-codes', 'p3-lossy'])('in Display P3 becomes sRGB: %s', async (name) => {
    expectColors((await quarters(name)).colors, fromP3, 9)
  })

  it.each(['p3', 'p3-codes'])('without loss keeps its profile where that is asked for: %s', async (name) => {
    const kept = await quarters(name, true)
    expectColors(kept.colors, plain, 0)
    expect(kept.profile?.length).toBeGreaterThan(300)
  })

  it('with linear numbers gets the curve of sRGB', async () => {
    const curved = (value: number) => Math.round(255 * (1.055 * (value / 255) ** (1 / 2.4) - 0.055))
    expectColors(
      (await quarters('linear')).colors,
      plain.map((color) => color.map(curved)),
      1,
    )
  })

  it('in HDR is refused instead of getting wrong colors', async () => {
    await expect(decode(await file('pq'))).rejects.toMatchObject({ code: 'INPUT_UNSUPPORTED' })
  })

  it('keeps its transparency', async () => {
    const { channels, colors } = await quarters('alpha')
    expect(channels).toBe(4)
    expect(colors.map((color) => color[3])).toEqual([255, 0, 255, 0])
    expectColors([colors[0]!.slice(0, 3)], [red], 0)
  })

  it('in grey becomes RGB', async () => {
    const { channels, colors } = await quarters('grey')
    expect(channels).toBe(3)
    expect(colors[1]).toEqual([194, 194, 194])
  })

  it('with 16 bits is read with them', async () => {
    expect(await header('sixteen-bit')).toMatchObject({ bitDepth: 16 })
    const { data, width } = await decode(await file('sixteen-bit'), { depth: 16, keepProfile: false })
    const row = Array.from({ length: width }, (_, x) => data[x * 3]!)
    expect(row).toEqual(row.map((_, x) => Math.round((x / (width - 1)) * 65535)))
  })

  it('is turned upright, and brings its metadata', async () => {
    expect(await header('rotated')).toMatchObject({ width: 48, height: 64 })
    const { width, height, colors, metadata } = await quarters('rotated')
    expect([width, height]).toEqual([48, 64])
    // Clockwise: what was below on the left is above on the left.
    expectColors(colors, [blue, red, grey, green], 6)
    expect(metadata.exif?.toString('latin1')).toContain('anna')
  })

  it('that moves gives its first frame, and says how many there are', async () => {
    expect(await header('animation')).toMatchObject({ frames: 2 })
    expect(await readHeader(pictureFile(path('animation')), limits)).toMatchObject({ frames: 2 })
    expectColors((await quarters('animation')).colors, Array(4).fill([255, 0, 0, 255]), 0)
  })

  it('that is cut off is damaged, wherever it ends', async () => {
    for (const name of ['lossy', 'boxes']) {
      const bytes = await file(name)
      await expect(decode(bytes.subarray(0, bytes.length - 1)), name).rejects.toMatchObject({
        code: 'INPUT_CORRUPT',
        message: 'The picture is damaged or cut off (it ends too early).',
      })
    }
    await expect(readHeader((await file('plain')).subarray(0, 3), limits)).rejects.toMatchObject({
      code: 'INPUT_CORRUPT',
    })
  })

  it('that is damaged within fails in a thread of its own, and the next one is read', async () => {
    const thread: object = await import('../../../src/cutout/codec/jxl-thread.ts')
    const { askInThread, inThread } = thread as Record<string, Mock>
    askInThread!.mockImplementation(inThread!)
    const bytes = Buffer.from(await file('lossy'))
    for (let at = 60; at < 140; at++) bytes[at] = (bytes[at] ?? 0) ^ 0x5a
    await expect(decode(bytes)).rejects.toMatchObject({ code: 'INPUT_CORRUPT' })
    expectColors((await quarters('plain')).colors, plain, 0)
  })
})
