/** The compiled kernels against the same arithmetic in JavaScript, which has tests of its own. */
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { sourceDigest } from '../../../src/cutout/assembly/compile.ts'
import type { Picture } from '../../../src/cutout/picture.ts'
import { type CompositeTask, composite, release } from '../../../src/cutout/pixels/composite.ts'
import type { MattePlane } from '../../../src/cutout/pixels/matte.ts'
import { resample } from '../../../src/cutout/pixels/resample.ts'
import { randomNumbers } from '../../support/random.ts'
import { composite as compositeInJs } from './reference/composite.ts'
import { resample as resampleInJs } from './reference/resample.ts'
import { type Scene, scene, sceneNames } from './scenes.ts'

describe('the compiled kernels', () => {
  it('are those of their source', async () => {
    const kept = new URL('../../../src/cutout/pixels/kernels-binary.ts', import.meta.url)
    const isNew = (await readFile(kept, 'utf8')).includes(await sourceDigest())
    expect(isNew, 'run npm run kernels').toBe(true)
  })
})

interface Kind {
  channels: 3 | 4
  depth: 8 | 16
}

/** The scene's picture; with four channels, a third of it is transparent itself, and a part of that wholly. */
function pictureOf({ observed, width, height }: Scene, { channels, depth }: Kind): Picture {
  const pixels = width * height
  const data = depth === 16 ? new Uint16Array(pixels * channels) : new Uint8Array(pixels * channels)
  const scale = depth === 16 ? 257 : 1
  for (let at = 0; at < pixels; at++) {
    for (let c = 0; c < 3; c++) data[at * channels + c] = observed[at * 3 + c]! * scale
    if (channels === 4) data[at * 4 + 3] = Math.min(255, Math.max(0, (at % width) * 3 - 40)) * scale
  }
  return { data, width, height, channels }
}

/** The scene's alpha at another size, as a model gives it. */
function matteOf({ alpha, width, height }: Scene, size: { width: number; height: number }): MattePlane {
  const values = Float32Array.from({ length: size.width * size.height }, (_, at) => {
    const x = Math.floor(((at % size.width) * width) / size.width)
    const y = Math.floor((Math.floor(at / size.width) * height) / size.height)
    return alpha[y * width + x]! / 255
  })
  return { values, ...size }
}

const plain = { guided: false, refine: true, keepHiddenColor: false }
const kinds: Kind[] = [
  { channels: 3, depth: 8 },
  { channels: 4, depth: 8 },
  { channels: 3, depth: 16 },
  { channels: 4, depth: 16 },
]

const scenes = sceneNames.map((name, index) => scene(name, 250 + index, 163))

/** Where the two differ; everything that is the same is left out, since most of it is pixels. */
function differences(task: CompositeTask): string[] {
  const [made, expected] = [composite(task), compositeInJs(task)]
  const found = (['mask', 'rgba'] as const).filter((plane) => {
    const [a, b] = [made[plane], expected[plane]]
    return a.length !== b.length || a.findIndex((value, i) => value !== b[i]) >= 0
  })
  expect(made.subject).toEqual(expected.subject)
  expect(made.review).toEqual(expected.review)
  release(made)
  return found
}

describe('mask, cut-out and review are the same to the bit', () => {
  it.each(kinds)('of $channels channels with $depth bits', (kind) => {
    for (const [index, made] of scenes.entries()) {
      const { name } = made
      const task = {
        ...plain,
        picture: pictureOf(made, kind),
        matte: matteOf(made, { width: 96, height: 80 }),
      }
      expect(differences({ ...task, guided: index % 2 === 0 }), name).toEqual([])
      expect(differences({ ...task, guided: index % 2 === 1, refine: false }), name).toEqual([])
      expect(differences({ ...task, keepHiddenColor: true }), name).toEqual([])
    }
  })

  it('of a matte that is larger than the picture, narrower, or a single value', () => {
    for (const [width, height] of [
      [320, 320],
      [31, 300],
      [300, 2],
      [1, 1],
    ] as const) {
      const made = scene('hair, fair, on blue', 240, 130)
      for (const kind of kinds) {
        const task = { ...plain, picture: pictureOf(made, kind), matte: matteOf(made, { width, height }) }
        for (const guided of [true, false]) expect(differences({ ...task, guided })).toEqual([])
      }
    }
  })

  it.each([
    [1, 1],
    [1, 1200],
    [1200, 1],
    [17, 5],
    [16, 16],
    [401, 260],
  ])('of %ix%i pixels, also where nothing or everything is soft', (width, height) => {
    const next = randomNumbers(width)
    const data = Uint8Array.from({ length: width * height * 3 }, () => next() * 256)
    const picture = { data, width, height, channels: 3 } as const
    for (const value of [() => 0, () => 1, () => 0.4, next]) {
      const matte = { values: Float32Array.from({ length: 24 * 24 }, value), width: 24, height: 24 }
      for (const guided of [true, false])
        expect(differences({ ...plain, picture, matte, guided })).toEqual([])
    }
  })

  it.each(kinds)('of a finished mask, $channels channels with $depth bits', (kind) => {
    const made = scene('hair, textured, on a busy backdrop', 500, 333)
    expect(differences({ ...plain, picture: pictureOf(made, kind), matte: made.alpha.slice() })).toEqual([])
  })

  it('of pictures that are made in the memory of others', () => {
    const [full, empty] = [1, 0].map((value) => ({
      values: new Float32Array(64).fill(value),
      width: 8,
      height: 8,
    }))
    const picture = pictureOf(scene('narrow edge, textured, on checks', 200, 150), kinds[0]!)
    release(composite({ ...plain, picture, matte: full! }))
    expect(composite({ ...plain, picture, matte: empty! }).rgba.every((value) => value === 0)).toBe(true)
  })
})

describe('a picture at the size of a model', () => {
  it.each(kinds)(
    'is within one level, and nearly everywhere the same: $channels channels, $depth bits',
    (kind) => {
      // Sums are in single precision, where JavaScript has double. A few lie so near to a half that they round otherwise.
      const picture = pictureOf(scene('narrow edge, textured, on checks', 500, 333), kind)
      for (const [width, height] of [
        [320, 320],
        [640, 200],
        [100, 500],
        [1, 1],
      ] as const) {
        const [made, expected] = [resample(picture, width, height), resampleInJs(picture, width, height)]
        const off = made.map((value, i) => Math.abs(value - expected[i]!))
        expect(off.findIndex((value) => value > 1)).toBe(-1)
        expect(off.reduce((sum, value) => sum + value, 0) / off.length).toBeLessThan(0.01)
      }
    },
  )
})
