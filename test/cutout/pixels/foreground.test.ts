import { describe, expect, it } from 'vitest'
import { estimateForeground } from './reference/foreground.ts'
import { blend, errorWhereSoft, type Scene, scene, sceneNames } from './scenes.ts'

/** The scene's picture with the estimated colors. */
function refined({ observed, alpha, width, height }: Scene): Uint8Array {
  const pixels = observed.slice()
  estimateForeground({ pixels, channels: 3, width, height, alpha })
  return pixels
}

const plain = (pixels: number, color: number[]) =>
  Uint8Array.from({ length: pixels * color.length }, (_, i) => color[i % color.length]!)

/** How much of the naive cut-out's color error may remain; a third more than measured. */
const allowed: Record<string, number> = {
  'soft disc, smooth, on green': 0.06,
  'soft disc, textured, on green': 0.3,
  // The same frequencies in front and behind: only the scale of the mix tells them apart.
  'soft disc, textured, on a busy backdrop': 0.75,
  'narrow edge, textured, on white': 0.15,
  'narrow edge, textured, on checks': 0.4,
  'hair, brown, on green': 0.1,
  'hair, brown, on white': 0.04,
  'hair, fair, on blue': 0.03,
  'hair, textured, on a busy backdrop': 0.3,
  'hair, brown, on checks': 0.25,
  'glass, smooth, on green': 0.25,
  // Nothing opaque to learn from and texture everywhere: no better than it was is good enough, worse is not.
  'glass, textured, on a busy backdrop': 1,
}

describe('colors of soft pixels', () => {
  it.each(sceneNames)('come near the true ones: %s', (name) => {
    const made = scene(name, 640, 480)
    const colors = refined(made)
    const naive = errorWhereSoft(made.observed, made.foreground, made.alpha)
    expect(errorWhereSoft(colors, made.foreground, made.alpha) / naive).toBeLessThan(allowed[name]!)
  })

  it('take more than two thirds of the error away from what is seen on white, black and red', () => {
    let [before, after] = [0, 0]
    for (const name of sceneNames) {
      const made = scene(name, 256, 192)
      const colors = refined(made)
      for (const color of [
        [255, 255, 255],
        [0, 0, 0],
        [220, 20, 40],
      ]) {
        const backdrop = plain(made.alpha.length, color)
        const truth = blend(made.foreground, made.alpha, backdrop)
        before += errorWhereSoft(blend(made.observed, made.alpha, backdrop), truth, made.alpha)
        after += errorWhereSoft(blend(colors, made.alpha, backdrop), truth, made.alpha)
      }
    }
    expect(after / before).toBeLessThan(0.3)
  })

  it('are as good at another size of the same picture', () => {
    for (const width of [200, 1500]) {
      const made = scene('hair, brown, on green', width, width * 0.75)
      const naive = errorWhereSoft(made.observed, made.foreground, made.alpha)
      expect(errorWhereSoft(refined(made), made.foreground, made.alpha) / naive).toBeLessThan(0.12)
    }
  })

  it('are the same every time', () => {
    const made = scene('hair, textured, on a busy backdrop', 300, 200)
    expect(Buffer.compare(refined(made), refined(made))).toBe(0)
  })
})

describe('pixels that are wholly in or wholly out', () => {
  it('keep every byte', () => {
    for (const name of sceneNames) {
      const made = scene(name, 320, 240)
      const colors = refined(made)
      const isHard = (i: number) => [0, 255].includes(made.alpha[Math.floor(i / 3)]!)
      expect(colors.findIndex((value, i) => value !== made.observed[i] && isHard(i))).toBe(-1)
    }
  })

  it('are all there is in a hard mask: nothing changes', () => {
    const made = scene('narrow edge, textured, on white', 320, 240)
    const alpha = made.alpha.map((value) => (value > 127 ? 255 : 0))
    expect(Buffer.compare(refined({ ...made, alpha }), made.observed)).toBe(0)
  })
})

describe('a target of its own', () => {
  it('gets the colors in its own number of channels; the picture and its alpha stay', () => {
    const { observed, alpha, width, height, ...rest } = scene('soft disc, textured, on green', 160, 120)
    const expected = refined({ observed, alpha, width, height, ...rest })
    const picture = observed.slice()
    const rgba = new Uint8Array(width * height * 4).fill(7)
    estimateForeground({ pixels: picture, channels: 3, width, height, alpha }, { pixels: rgba, channels: 4 })
    expect(Buffer.compare(picture, observed)).toBe(0)
    for (const [at, value] of alpha.entries()) {
      const soft = value > 0 && value < 255
      const color = soft ? [...expected.subarray(at * 3, at * 3 + 3)] : [7, 7, 7]
      expect([...rgba.subarray(at * 4, at * 4 + 4)]).toEqual([...color, 7])
    }
  })
})

describe('16 bits', () => {
  it('give what 8 bits give, but for rounding', () => {
    for (const name of ['hair, fair, on blue', 'glass, smooth, on green']) {
      const made = scene(name, 320, 240)
      const expected = refined(made)
      const pixels = Uint16Array.from(made.observed, (value) => value * 257)
      const alpha = Uint16Array.from(made.alpha, (value) => value * 257)
      const { width, height } = made
      const mixed = pixels.slice()
      estimateForeground({ pixels: mixed, channels: 3, width, height, alpha: made.alpha })
      estimateForeground({ pixels, channels: 3, width, height, alpha })
      // Half a level of rounding, and what single precision costs.
      expect(expected.findIndex((value, i) => Math.abs(pixels[i]! / 257 - value) > 0.501)).toBe(-1)
      expect(Buffer.compare(Buffer.from(mixed.buffer), Buffer.from(pixels.buffer))).toBe(0)
    }
  })
})

describe('a picture that is transparent itself', () => {
  /** The scene as RGBA with a transparency of its own, which the final alpha contains. */
  function withOwn(made: Scene, own: Uint8Array, colors = made.observed) {
    const pixels = new Uint8Array(own.length * 4)
    for (const [at, value] of own.entries()) {
      pixels.set(colors.subarray(at * 3, at * 3 + 3), at * 4)
      pixels[at * 4 + 3] = value
    }
    return pixels
  }

  it('keeps its colors where only its own transparency makes it soft', () => {
    const made = scene('hair, brown, on white', 320, 240)
    const pixels = withOwn(made, made.alpha)
    const before = pixels.slice()
    estimateForeground({ pixels, channels: 4, width: 320, height: 240, alpha: made.alpha })
    expect(Buffer.compare(pixels, before)).toBe(0)
  })

  it('counts as any other where it is opaque', () => {
    const made = scene('hair, brown, on white', 320, 240)
    const pixels = withOwn(made, new Uint8Array(made.alpha.length).fill(255))
    estimateForeground({ pixels, channels: 4, width: 320, height: 240, alpha: made.alpha })
    const expected = withOwn(made, new Uint8Array(made.alpha.length).fill(255), refined(made) as Uint8Array)
    expect(Buffer.compare(pixels, expected)).toBe(0)
  })

  it('does not let color under full transparency in', () => {
    const made = scene('soft disc, smooth, on green', 320, 240)
    // A frame of the picture is transparent, with a glaring color left under it.
    const own = Uint8Array.from({ length: 320 * 240 }, (_, at) => (at % 320 < 90 ? 0 : 255))
    const observed = made.observed.slice()
    for (const [at, value] of own.entries()) if (value === 0) observed.set([255, 0, 255], at * 3)
    const alpha = made.alpha.map((value, at) => (own[at] === 0 ? 0 : value))
    const pixels = withOwn(made, own, observed)
    estimateForeground({ pixels, channels: 4, width: 320, height: 240, alpha })
    const colors = new Uint8Array(320 * 240 * 3)
    for (let at = 0; at < own.length; at++) colors.set(pixels.subarray(at * 4, at * 4 + 3), at * 3)
    expect(errorWhereSoft(colors, made.foreground, alpha)).toBeLessThan(6)
  })
})

describe('odd sizes and mattes', () => {
  it.each([
    [1, 1],
    [1, 5000],
    [5000, 1],
    [2, 3],
    [385, 7],
    [769, 513],
  ])('%ix%i: an even color stays within rounding, whatever the matte', (width, height) => {
    for (const matte of [
      (at: number) => at % 256,
      () => 1,
      () => 128,
      () => 254,
      (at: number) => (at === 0 ? 99 : 0),
      (at: number) => (at === 0 ? 99 : 255),
    ]) {
      const alpha = Uint8Array.from({ length: width * height }, (_, at) => matte(at))
      const pixels = plain(width * height, [200, 100, 3])
      estimateForeground({ pixels, channels: 3, width, height, alpha })
      expect(Buffer.compare(pixels, plain(width * height, [200, 100, 3]))).toBe(0)
    }
  })

  it('a single soft pixel far from everything takes no color that is not about', () => {
    for (const [width, height] of [
      [3000, 50],
      [900, 700],
    ] as const) {
      const alpha = new Uint8Array(width * height)
      const at = width * 37 + 450
      alpha[at] = 128
      const pixels = plain(width * height, [10, 200, 30])
      // (250, 20, 50) half over the backdrop.
      pixels.set([130, 110, 40], at * 3)
      estimateForeground({ pixels, channels: 3, width, height, alpha })
      const [red, green, blue] = pixels.subarray(at * 3, at * 3 + 3) as unknown as [number, number, number]
      expect(red).toBeGreaterThan(100)
      expect(green).toBeLessThan(140)
      expect(blue).toBeGreaterThanOrEqual(30)
      expect(blue).toBeLessThanOrEqual(50)
    }
  })

  it('noise as picture and matte stays in range and does not fail', () => {
    const pixels = Uint16Array.from({ length: 300 * 200 * 3 }, (_, i) => (i * 7919) % 65536)
    const alpha = Uint16Array.from({ length: 300 * 200 }, (_, i) => (i * 104729) % 65536)
    const before = pixels.slice()
    estimateForeground({ pixels, channels: 3, width: 300, height: 200, alpha })
    expect(pixels.some((value, i) => value !== before[i])).toBe(true)
  })
})
