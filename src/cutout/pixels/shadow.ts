/** A soft shadow under a cut-out, as if light came from above. */
import type { Samples } from '../picture.ts'

/** Lengths are shares of the longer side of the subject's box; the shadow is black. */
export interface Shadow {
  /** To the right; negative to the left. */
  x: number
  /** Downwards; negative upwards. */
  y: number
  /** Standard deviation of the blur. */
  blur: number
  /** 0..1: how dark it is where nothing softens it. */
  strength: number
}

/**
 * Puts pixels over a black shadow, by Porter and Duff's `over` (1984), on straight alpha.
 *
 * @param rgba interleaved, 8 or 16 bits; not changed
 * @param shadow 0..255 for each pixel: the blurred alpha, where it falls
 * @param strength 0..1
 */
export function overShadow(rgba: Samples, shadow: Uint8Array, strength: number): Samples {
  const most = rgba instanceof Uint16Array ? 65_535 : 255
  const result: Samples = rgba instanceof Uint16Array ? new Uint16Array(rgba) : new Uint8Array(rgba)
  for (let at = 0, pixel = 0; at < result.length; at += 4, pixel++) {
    const dark = shadow[pixel]!
    const alpha = rgba[at + 3]! / most
    if (dark === 0 || alpha === 1) continue
    const under = (dark / 255) * strength * (1 - alpha)
    const together = alpha + under
    const share = together === 0 ? 0 : alpha / together
    for (let c = 0; c < 3; c++) result[at + c] = rgba[at + c]! * share + 0.5
    result[at + 3] = together * most + 0.5
  }
  return result
}
