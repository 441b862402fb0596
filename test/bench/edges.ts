/**
 * Error and time of what is done to edges, on scenes with known foreground, background and alpha.
 * Run with: node --import tsx test/bench/edges.ts
 */
import { estimateForeground } from '../cutout/pixels/reference/foreground.ts'
import { guidedUpsample } from '../cutout/pixels/reference/guided.ts'
import { errorWhereSoft, type Scene, scene, sceneNames } from '../cutout/pixels/scenes.ts'

/** Blur-fusion, two passes, as published (Forte 2021): box blurs of 90 and 6 pixels at full resolution. */
function blurFusion({ observed, alpha, width, height }: Scene): Uint8Array {
  const image = Float32Array.from(observed, (value) => value / 255)
  let foreground = image
  let background = image
  const side = Math.max(width, height) / 1024
  for (const reach of [45 * side, 3 * side].map(Math.round)) {
    const a = alpha.length
    const plane = new Float32Array(a)
    for (let at = 0; at < a; at++) plane[at] = alpha[at]! / 255
    const blurredAlpha = boxBlur(plane, width, height, reach)
    const nextForeground = new Float32Array(a * 3)
    const nextBackground = new Float32Array(a * 3)
    for (let channel = 0; channel < 3; channel++) {
      for (let at = 0; at < a; at++) plane[at] = (foreground[at * 3 + channel]! * alpha[at]!) / 255
      const f = boxBlur(plane, width, height, reach)
      for (let at = 0; at < a; at++) plane[at] = background[at * 3 + channel]! * (1 - alpha[at]! / 255)
      const b = boxBlur(plane, width, height, reach)
      for (let at = 0; at < a; at++) {
        const own = alpha[at]! / 255
        const meanF = f[at]! / (blurredAlpha[at]! + 1e-5)
        const meanB = b[at]! / (1 - blurredAlpha[at]! + 1e-5)
        const rest = image[at * 3 + channel]! - own * meanF - (1 - own) * meanB
        nextForeground[at * 3 + channel] = Math.min(1, Math.max(0, meanF + own * rest))
        nextBackground[at * 3 + channel] = meanB
      }
    }
    foreground = nextForeground
    background = nextBackground
  }
  return Uint8Array.from(foreground, (value) => Math.round(value * 255))
}

function boxBlur(plane: Float32Array, width: number, height: number, reach: number): Float32Array {
  const rows = new Float32Array(plane.length)
  const result = new Float32Array(plane.length)
  const line = (from: Float32Array, to: Float32Array, start: number, count: number, stride: number) => {
    let sum = 0
    let pixels = 0
    for (let i = -reach; i < count; i++) {
      if (i + reach < count) {
        sum += from[start + (i + reach) * stride]!
        pixels++
      }
      if (i - reach - 1 >= 0) {
        sum -= from[start + (i - reach - 1) * stride]!
        pixels--
      }
      if (i >= 0) to[start + i * stride] = sum / pixels
    }
  }
  for (let y = 0; y < height; y++) line(plane, rows, y * width, width, 1)
  for (let x = 0; x < width; x++) line(rows, result, x, height, width)
  return result
}

/** Multi-level estimation with the parameters of the paper (Germer et al. 2020). */
function multiLevel({ observed, alpha, width, height }: Scene): Uint8Array {
  const levels = Math.ceil(Math.log2(Math.max(width, height)))
  let [w0, h0] = [1, 1]
  let foreground = new Float32Array(3)
  let background = new Float32Array(3)
  const counts = [0, 0]
  for (let at = 0; at < alpha.length; at++) {
    const into = alpha[at]! > 230 ? foreground : alpha[at]! < 26 ? background : undefined
    if (!into) continue
    counts[into === foreground ? 0 : 1]!++
    for (let i = 0; i < 3; i++) into[i]! += observed[at * 3 + i]! / 255
  }
  foreground = foreground.map((value) => value / Math.max(1, counts[0]!))
  background = background.map((value) => value / Math.max(1, counts[1]!))
  for (let level = 0; level <= levels; level++) {
    const w = Math.round(width ** (level / levels))
    const h = Math.round(height ** (level / levels))
    const a = new Float32Array(w * h)
    const image = new Float32Array(w * h * 3)
    const f = new Float32Array(w * h * 3)
    const b = new Float32Array(w * h * 3)
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const at = y * w + x
        const source = Math.floor((y * height) / h) * width + Math.floor((x * width) / w)
        const before = Math.floor((y * h0) / h) * w0 + Math.floor((x * w0) / w)
        a[at] = alpha[source]! / 255
        for (let i = 0; i < 3; i++) {
          image[at * 3 + i] = observed[source * 3 + i]! / 255
          f[at * 3 + i] = foreground[before * 3 + i]!
          b[at * 3 + i] = background[before * 3 + i]!
        }
      }
    }
    for (let round = 0; round < (w <= 32 && h <= 32 ? 10 : 2); round++) relax(image, a, f, b, w, h)
    foreground = f
    background = b
    w0 = w
    h0 = h
  }
  return Uint8Array.from(foreground, (value) => Math.round(value * 255))
}

/** One round of the local solutions, in place. */
function relax(
  image: Float32Array,
  alpha: Float32Array,
  f: Float32Array,
  b: Float32Array,
  w: number,
  h: number,
): void {
  const sums = new Float64Array(6)
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const at = y * w + x
      const a = alpha[at]!
      sums.fill(0)
      let weights = 0
      for (let side = 0; side < 4; side++) {
        const i = Math.min(w - 1, Math.max(0, x + (side === 0 ? -1 : side === 1 ? 1 : 0)))
        const j = Math.min(h - 1, Math.max(0, y + (side === 2 ? -1 : side === 3 ? 1 : 0)))
        const near = j * w + i
        const weight = 1e-5 + Math.abs(a - alpha[near]!)
        weights += weight
        for (let c = 0; c < 3; c++) {
          sums[c]! += weight * f[near * 3 + c]!
          sums[3 + c]! += weight * b[near * 3 + c]!
        }
      }
      const a00 = a * a + weights
      const a01 = a * (1 - a)
      const a11 = (1 - a) * (1 - a) + weights
      const scale = 1 / (a00 * a11 - a01 * a01)
      for (let c = 0; c < 3; c++) {
        const b0 = a * image[at * 3 + c]! + sums[c]!
        const b1 = (1 - a) * image[at * 3 + c]! + sums[3 + c]!
        f[at * 3 + c] = Math.min(1, Math.max(0, (a11 * b0 - a01 * b1) * scale))
        b[at * 3 + c] = Math.min(1, Math.max(0, (a00 * b1 - a01 * b0) * scale))
      }
    }
  }
}

function ours({ observed, alpha, width, height }: Scene): Uint8Array {
  const pixels = observed.slice()
  estimateForeground({ pixels, channels: 3, width, height, alpha })
  return pixels
}

/** Median and range of some runs, after two that warm up. */
function timed(runs: number, work: () => void): string {
  work()
  work()
  const times = Array.from({ length: runs }, () => {
    const start = performance.now()
    work()
    return performance.now() - start
  }).sort((a, b) => a - b)
  const median = times[Math.floor(runs / 2)]!
  return `${median.toFixed(0)} (${times[0]!.toFixed(0)}-${times.at(-1)!.toFixed(0)})`
}

const methods = {
  naive: ({ observed }: Scene) => observed,
  'blur-fusion': blurFusion,
  'multi-level': multiLevel,
  ours,
}

console.log('Mean absolute error of color where soft, levels of 255, 1024x768\n')
console.log(`| scene | ${Object.keys(methods).join(' | ')} |\n|${'-|'.repeat(5)}`)
const totals = Object.values(methods).map(() => 0)
for (const name of sceneNames) {
  const made = scene(name, 1024, 768)
  const errors = Object.values(methods).map((method) =>
    errorWhereSoft(method(made), made.foreground, made.alpha),
  )
  for (const [i, error] of errors.entries()) totals[i]! += error / sceneNames.length
  console.log(`| ${name} | ${errors.map((error) => error.toFixed(1)).join(' | ')} |`)
}
console.log(`| mean | ${totals.map((total) => total.toFixed(1)).join(' | ')} |`)

console.log('\nMilliseconds, one thread: median (fastest-slowest); the published methods at 1 MP only\n')
console.log(
  '| scene | soft | size | blur-fusion | multi-level | ours | guided from 320x320 |\n|-|-|-|-|-|-|-|',
)
for (const name of ['soft disc, textured, on green', 'hair, brown, on green', 'glass, smooth, on green']) {
  for (const [label, width, height] of [
    ['1 MP', 1152, 864],
    ['12 MP', 4000, 3000],
    ['24 MP', 6000, 4000],
  ] as const) {
    const made = scene(name, width, height)
    const { observed: pixels, alpha } = made
    const soft = alpha.reduce((count, value) => count + (value > 0 && value < 255 ? 1 : 0), 0) / alpha.length
    const target = { pixels: pixels.slice(), channels: 3 as const }
    const times = [
      width < 2000 ? timed(5, () => blurFusion(made)) : '',
      width < 2000 ? timed(5, () => multiLevel(made)) : '',
      timed(9, () => estimateForeground({ pixels, channels: 3, width, height, alpha }, target)),
    ]
    const matte = Uint8Array.from({ length: 320 * 320 }, (_, at) => {
      const y = Math.floor(((Math.floor(at / 320) + 0.5) * height) / 320)
      return alpha[y * width + Math.floor((((at % 320) + 0.5) * width) / 320)]!
    })
    const guided = { pixels, channels: 3 as const, width, height, matte, matteWidth: 320, matteHeight: 320 }
    times.push(timed(9, () => guidedUpsample(guided)))
    console.log(`| ${name} | ${(soft * 100).toFixed(1)} % | ${label} | ${times.join(' | ')} |`)
  }
}
