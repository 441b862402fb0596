/** How far two masks of one picture differ, and which step of the way makes them differ. */
import { readFile } from 'node:fs/promises'
import sharp from 'sharp'
import { decode } from '../../../../src/cutout/codec/decode.ts'
import { toModelInput } from '../../../../src/cutout/codec/model-input.ts'
import type { MatteModel } from '../../../../src/model/contract.ts'
import { resizeMatte } from '../../../cutout/pixels/reference/matte.ts'

/** Of all pixels, in levels of 255. */
export interface Difference {
  mean: number
  most: number
}

/** Each differs from the peer's mask; the steps go on from each other. */
export interface Differences {
  /** All ours. */
  ours: Difference
  /** The picture is shrunk as the peer does, without a filter. */
  shrunk: Difference
  /** And normalized as the peer does: (byte - 128) / 256 instead of byte / 255 - 0.5. */
  normalised: Difference
  /** And its mask enlarged as the peer does: what is left is the runtime's. */
  enlarged: Difference
}

interface Plane {
  data: ArrayLike<number>
  width: number
  height: number
  channels: number
}

/**
 * @param models the same weights, with our normalization and with the peer's
 * @param cutout the peer's file
 */
export async function differencesOn(
  picture: string,
  cutout: string,
  models: { ours: MatteModel; peers: MatteModel },
): Promise<Differences> {
  const image = await decode(await readFile(picture))
  const peer = await sharp(cutout, { limitInputPixels: false }).extractChannel(3).raw().toBuffer()
  const { width, height } = models.ours.inputSize
  const maskOf = async (model: MatteModel, input: Uint8Array<ArrayBuffer>) => {
    const matte = await model.predict(input)
    const mask = new Uint8Array(image.width * image.height)
    resizeMatte({ ...matte, values: matte.alpha }, mask, image)
    return { matte, mask }
  }
  const shrunk = Uint8Array.from(unfiltered({ ...image, data: image.data }, width, height, 3))
  const ours = await maskOf(models.ours, await toModelInput(image, models.ours.inputSize))
  const asShrunk = await maskOf(models.ours, shrunk.slice())
  const asNormalised = await maskOf(models.peers, shrunk.slice())
  const levels = Uint8Array.from(asNormalised.matte.alpha, (value) => Math.trunc(value * 255))
  const enlarged = unfiltered({ data: levels, width, height, channels: 1 }, image.width, image.height, 1)
  return {
    ours: differenceOf(ours.mask, peer),
    shrunk: differenceOf(asShrunk.mask, peer),
    normalised: differenceOf(asNormalised.mask, peer),
    enlarged: differenceOf(enlarged, peer),
  }
}

export function differenceOf(a: ArrayLike<number>, b: ArrayLike<number>): Difference {
  if (a.length !== b.length) throw new Error('The masks are not of one size.')
  let [sum, most] = [0, 0]
  for (let at = 0; at < a.length; at++) {
    const difference = Math.abs(a[at]! - b[at]!)
    sum += difference
    most = Math.max(most, difference)
  }
  return { mean: sum / a.length, most }
}

/** The peer's `tensorResizeBilinear`: four neighbors of a point, whatever lies between the points. */
function unfiltered(
  { data, width, height, channels }: Plane,
  newWidth: number,
  newHeight: number,
  kept: number,
): Uint8Array {
  const result = new Uint8Array(newWidth * newHeight * kept)
  for (let y = 0, into = 0; y < newHeight; y++) {
    const sourceY = (y * height) / newHeight
    const [top, bottom] = [Math.floor(sourceY), Math.min(Math.ceil(sourceY), height - 1)]
    for (let x = 0; x < newWidth; x++) {
      const sourceX = (x * width) / newWidth
      const [left, right] = [Math.floor(sourceX), Math.min(Math.ceil(sourceX), width - 1)]
      const [dx, dy] = [sourceX - left, sourceY - top]
      for (let channel = 0; channel < kept; channel++, into++) {
        const at = (column: number, row: number) => data[(row * width + column) * channels + channel]!
        const above = at(left, top) * (1 - dx) + at(right, top) * dx
        const below = at(left, bottom) * (1 - dx) + at(right, bottom) * dx
        result[into] = Math.round(above * (1 - dy) + below * dy)
      }
    }
  }
  return result
}
