/** Pictures of the page as planes of numbers. */
import type { Planes } from './spots.ts'

export function loadImage(src: string): Promise<HTMLImageElement> {
  const image = new Image()
  image.src = src
  return image.decode().then(
    () => image,
    () => Promise.reject(new Error('A picture cannot be shown: it may be too large for this browser.')),
  )
}

/** A copy of at most so many pixels a side. */
export function pixelsOf(image: HTMLImageElement, size: { width: number; height: number }): ImageData {
  const canvas = document.createElement('canvas')
  canvas.width = size.width
  canvas.height = size.height
  const context = canvas.getContext('2d', { willReadFrequently: true })
  if (!context) throw new Error('This browser cannot draw a picture of that size.')
  context.drawImage(image, 0, 0, size.width, size.height)
  return context.getImageData(0, 0, size.width, size.height)
}

/** The gray of a mask, as alpha. */
export function alphaOf({ data }: ImageData): Uint8Array {
  const alpha = new Uint8Array(data.length / 4)
  for (let at = 0; at < alpha.length; at++) alpha[at] = data[at * 4] ?? 0
  return alpha
}

/** A gray PNG of a mask. */
export function maskBlob(mask: Uint8Array, width: number, height: number): Promise<Blob> {
  const canvas = document.createElement('canvas')
  canvas.width = width
  canvas.height = height
  const context = canvas.getContext('2d')
  const pixels = new ImageData(width, height)
  for (let at = 0; at < mask.length; at++) {
    pixels.data.fill(mask[at] ?? 0, at * 4, at * 4 + 3)
    pixels.data[at * 4 + 3] = 255
  }
  context?.putImageData(pixels, 0, 0)
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error('The mask is too large for this browser.'))),
      'image/png',
    ),
  )
}

const planesSide = 512

/** Small copies of the objects of a job, of one size. */
export async function planesOf(addresses: {
  original: string
  mask: string
  cutout: string | undefined
}): Promise<Planes> {
  const [original, mask, cutout] = await Promise.all([
    loadImage(addresses.original),
    loadImage(addresses.mask),
    addresses.cutout === undefined ? undefined : loadImage(addresses.cutout),
  ])
  const { naturalWidth, naturalHeight } = original
  const scale = Math.min(1, planesSide / Math.max(naturalWidth, naturalHeight))
  const size = {
    width: Math.max(1, Math.round(naturalWidth * scale)),
    height: Math.max(1, Math.round(naturalHeight * scale)),
  }
  return {
    ...size,
    original: pixelsOf(original, size).data,
    mask: alphaOf(pixelsOf(mask, size)),
    cutout: cutout && pixelsOf(cutout, size).data,
  }
}
