// biome-ignore-all lint/style/useImportType: AssemblyScript knows no imports of types alone.
/** What JavaScript calls. Sizes are in pixels, addresses in bytes. */
import { compositeOf, Task } from './composite'
import { enlarging } from './enlarge'
import { expectedIou, Figures } from './figures'
import { guided } from './guided'
import { readPicture } from './host'
import { release, take as takeBytes, takeClear } from './memory'
import { addRows, endPng, png } from './png'
import { resampleOf } from './resample'

export { release, take } from './memory'

/** @returns the address of interleaved 8-bit RGB, targetWidth * targetHeight * 3 bytes, until the next call */
export function resample(
  width: i32,
  height: i32,
  channels: i32,
  deep: bool,
  targetWidth: i32,
  targetHeight: i32,
): usize {
  release()
  return deep
    ? resampleOf<u16>(width, height, channels, targetWidth, targetHeight)
    : resampleOf<u8>(width, height, channels, targetWidth, targetHeight)
}

/**
 * Makes mask and cut-out.
 *
 * @param matte the address of f32, 0..1; 0 where a finished mask is read
 * @param isGuided bring the matte to full size along the picture's edges
 * @param isWritten as PNG: the mask to file 0, and the cut-out to file 1 instead of being handed over as pixels
 * @returns the address of `Figures`
 */
export function composite(
  width: i32,
  height: i32,
  channels: i32,
  deep: bool,
  refine: bool,
  keepHiddenColor: bool,
  matte: usize,
  matteWidth: i32,
  matteHeight: i32,
  isGuided: bool,
  isWritten: bool,
): usize {
  const task = changetype<Task>(takeClear(offsetof<Task>()))
  task.width = width
  task.height = height
  task.channels = channels
  task.refine = refine
  task.keepHiddenColor = keepHiddenColor
  if (isWritten) {
    task.maskPng = changetype<usize>(png<u8>(width, 1, 0))
    task.colorsPng = changetype<usize>(deep ? png<u16>(width, 4, 1) : png<u8>(width, 4, 1))
  }
  if (matte !== 0 && isGuided) {
    const guide = deep
      ? guided<u16>(matte, matteWidth, matteHeight, width, height, channels)
      : guided<u8>(matte, matteWidth, matteHeight, width, height, channels)
    task.guided = changetype<usize>(guide)
  } else if (matte !== 0) {
    task.enlarging = changetype<usize>(enlarging(matte, matteWidth, matteHeight, width, height))
  }
  const figures = deep ? compositeOf<u16>(task) : compositeOf<u8>(task)
  if (matte !== 0) changetype<Figures>(figures).expectedIou = expectedIou(matte, matteWidth * matteHeight)
  return figures
}

/** Writes the picture to file 0: the data of a PNG's IDAT. Samples of 16 bits are expected as this machine has them. */
export function encode(width: i32, height: i32, channels: i32, deep: bool): void {
  release()
  const file = deep ? png<u16>(width, channels, 0) : png<u8>(width, channels, 0)
  const rows = max(1, (128 << 10) / file.rowBytes)
  const pixels = takeBytes(file.rowBytes * rows + 16)
  for (let top = 0; top < height; top += rows) {
    const tall = min(rows, height - top)
    readPicture(top, tall, pixels)
    addRows(file, pixels, tall)
  }
  endPng(file)
}
