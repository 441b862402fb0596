// biome-ignore-all lint/style/useImportType: AssemblyScript knows no imports of types alone.
/** What JavaScript calls. Sizes are in pixels, addresses in bytes. */
import { compositeOf, Task } from './composite'
import { enlarging } from './enlarge'
import { expectedIou, Figures } from './figures'
import { guided } from './guided'
import { release, takeClear } from './memory'
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
): usize {
  const task = changetype<Task>(takeClear(offsetof<Task>()))
  task.width = width
  task.height = height
  task.channels = channels
  task.refine = refine
  task.keepHiddenColor = keepHiddenColor
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
