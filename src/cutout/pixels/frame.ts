/** Where the subject stands in the frame of a finished picture. */

/** Compression leaves traces: only a pixel farther than this (0..255, any channel) from the background is subject. */
const subjectDistance = 12

export interface Framing {
  /** Every pixel of the picture's rim is exactly the background, and none of the picture is transparent. */
  rimIsPlain: boolean
  /** Of the subject's longer side, measured along it, in the frame; 0..1, 0 without a subject. */
  share: number
  /** The subject touches no edge of the frame. */
  isInside: boolean
}

/**
 * On a transparent background the subject is what is visible, on a plain one what differs from it.
 *
 * @param rgba interleaved, 8 bits
 * @param ground sRGB 0..255
 */
export function frameOf(
  { data, width, height }: { data: Uint8Array; width: number; height: number },
  ground: readonly number[],
): Framing {
  const isTransparent = hasClearPixel(data)
  const box = { left: width, top: height, right: -1, bottom: -1 }
  let rimIsPlain = true
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const isRim = x === 0 || y === 0 || x === width - 1 || y === height - 1
      const isSubject = isTransparent
        ? data[at * 4 + 3]! > subjectDistance
        : isFar(data, at, ground, subjectDistance)
      if (isRim && (isTransparent || isFar(data, at, ground, 0))) rimIsPlain = false
      if (!isSubject) continue
      box.left = Math.min(box.left, x)
      box.right = Math.max(box.right, x)
      box.top = Math.min(box.top, y)
      box.bottom = Math.max(box.bottom, y)
    }
  }
  if (box.right < 0) return { rimIsPlain, share: 0, isInside: true }
  return {
    rimIsPlain,
    share: Math.max((box.right - box.left + 1) / width, (box.bottom - box.top + 1) / height),
    isInside: box.left > 0 && box.top > 0 && box.right < width - 1 && box.bottom < height - 1,
  }
}

function hasClearPixel(rgba: Uint8Array): boolean {
  for (let at = 3; at < rgba.length; at += 4) if (rgba[at]! < 255) return true
  return false
}

function isFar(data: Uint8Array, at: number, ground: readonly number[], distance: number): boolean {
  for (let channel = 0; channel < 3; channel++) {
    if (Math.abs(data[at * 4 + channel]! - ground[channel]!) > distance) return true
  }
  return false
}
