import { move, transferableSymbol, valueSymbol } from 'piscina'
import { type CompositeTask, composite, type Picture } from './composite.ts'
import { resample } from './resample.ts'

/** What pixel threads do; what they were given and what they made go back without being copied. */
export function compose(task: CompositeTask) {
  const cutout = composite(task)
  return moved(cutout, [cutout.mask.buffer, cutout.rgba.buffer])
}

export interface ResampleTask {
  picture: Picture
  width: number
  height: number
}

export function shrink({ picture, width, height }: ResampleTask) {
  const rgb = resample(picture, width, height)
  return moved({ rgb, data: picture.data }, [rgb.buffer, picture.data.buffer])
}

function moved<T extends object>(value: T, buffers: ArrayBuffer[]) {
  return move({
    get [transferableSymbol]() {
      return buffers
    },
    get [valueSymbol]() {
      return value
    },
  })
}
