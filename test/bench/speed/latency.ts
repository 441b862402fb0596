/** How long a single image takes, however many are in work beside it. */
import { basename } from 'node:path'

export interface Percentiles {
  p50: number
  p90: number
  p99: number
  /** How many images they are of: of fewer than 100, the 99th is the slowest. */
  images: number
}

/**
 * By nearest rank: each is a latency that an image really had.
 *
 * @param ms in any order
 * @returns undefined where there is none
 */
export function percentiles(ms: readonly number[]): Percentiles | undefined {
  if (ms.length === 0) return undefined
  const sorted = ms.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.max(Math.ceil(share * sorted.length), 1) - 1]!
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), images: sorted.length }
}

/**
 * The latencies of a run of which only the ends of images are known. A run takes its images in order and begins one as
 * soon as another is done, so the image at place `n` began when the `(n - atOnce)`th of all was done. The first
 * `atOnce` images also wait for the program and its model, and are left out.
 *
 * @param files in the order in which they are taken; no two have one name
 * @param done in the order in which they were done
 * @returns milliseconds, an image each, in the order of `files`
 */
export function latenciesOf(
  files: readonly string[],
  done: readonly { input: string; atMs: number }[],
  atOnce: number,
): number[] {
  const doneAt = new Map(done.map(({ input, atMs }) => [basename(input), atMs]))
  return files.slice(atOnce).map((file, index) => {
    const endedAt = doneAt.get(basename(file))
    if (endedAt === undefined) throw new Error(`${file} was never done.`)
    return endedAt - done[index]!.atMs
  })
}

/** `104, 131, 160`: half, nine in ten, and 99 of 100 images took no longer. */
export const toldPercentiles = (of: Percentiles | undefined): string =>
  of === undefined ? '' : [of.p50, of.p90, of.p99].map((ms) => ms.toFixed(0)).join(', ')
