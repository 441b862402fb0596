// biome-ignore-all lint/style/useImportType: AssemblyScript knows no imports of types alone.
/**
 * From picture and matte to mask and cut-out, by bands of rows that stay in the processor's cache: first alpha and all that
 * is counted in it, then colors.
 */
import { Enlarging, enlargeRow } from './enlarge'
import { Counter, counter, countRegions, countRow, Figures } from './figures'
import {
  addWide,
  Foreground,
  findSoft,
  foreground,
  hasSoft,
  isNeeded,
  isNeededWide,
  plan,
  solveRow,
  solveWide,
  sumRow,
  writeRow,
} from './foreground'
import { Guided, guidedRow } from './guided'
import { addColors, Halo, halo, isLookedAt, markSoft, planHalo, score } from './halo'
import { clearColors, readAlpha, readMask, readPicture, writeAlpha, writeColors, writeMask } from './host'
import { take, takeClear } from './memory'
import { addClearRows, addRows, endPng, Png } from './png'
import { maximumOf, toBytes } from './samples'

export class Task {
  width: i32 = 0
  height: i32 = 0
  channels: i32 = 0
  /** Remove the old background's color from soft edges. */
  refine: bool = false
  keepHiddenColor: bool = false
  /** How the matte is brought to the picture's size; without one of the two, a finished mask is read. */
  enlarging: usize = 0
  guided: usize = 0
  /** The files to be written; without one, colors are kept as they are. */
  maskPng: usize = 0
  colorsPng: usize = 0

  /** A band is a row of the foreground's fine cells. */
  foreground: usize = 0
  counter: usize = 0
  halo: usize = 0
  /** u8 for each band: whether all of it is clear. */
  clear: usize = 0
  /** Rows in memory, from `start` to `end`: of the picture, and of alpha. */
  start: i32 = 0
  end: i32 = 0
  capacity: i32 = 0
  pixels: usize = 0
  alpha: usize = 0
  /** Rows of the cut-out that are made and not yet handed over, the last of them before `made`. */
  rgba: usize = 0
  made: i32 = 0
  waiting: i32 = 0
  /** A band of the mask in 8 bits. */
  mask: usize = 0
}

/** So many bytes of the picture are read at once: enough to call rarely, and little enough for the cache. */
const bytesAtOnce: i32 = 96 << 10

/** @returns the address of the figures */
export function compositeOf<T>(task: Task): usize {
  const f = foreground(task.width, task.height, task.channels)
  const count = counter(task.width, task.height)
  const edge = halo(task.width, task.height)
  task.foreground = changetype<usize>(f)
  task.counter = changetype<usize>(count)
  task.halo = changetype<usize>(edge)
  task.clear = takeClear(f.rows)
  makeAlpha<T>(task)
  countRegions(count)
  planHalo(edge)
  const refine = task.refine && f.isSoft
  if (refine) plan<T>(f)
  takeWindow<T>(task, refine ? (f.radius + 2) * f.cell : f.cell)
  if (refine) {
    sumWide<T>(task)
    solveWide(f)
  }
  makeColors<T>(task, refine)
  changetype<Figures>(count.figures).halo = score<T>(edge)
  return count.figures
}

function foregroundOf(task: Task): Foreground {
  return changetype<Foreground>(task.foreground)
}

/** How many rows are handed over at once, a whole number of bands. */
function rowsAtOnce<T>(task: Task): i32 {
  const cell = foregroundOf(task).cell
  const rows = bytesAtOnce / (task.width * task.channels * sizeof<T>())
  return max(rows / cell, 1) * cell
}

function makeAlpha<T>(task: Task): void {
  const f = foregroundOf(task)
  const width = task.width
  const rows = rowsAtOnce<T>(task)
  const alphaRow = <usize>width * sizeof<T>()
  const alpha = take(alphaRow * rows)
  const mask = sizeof<T>() === 1 ? alpha : take(width * rows)
  // A row by itself, with zeros behind it to a multiple of 16.
  const row = takeClear(alphaRow + 16)
  const maskRow = sizeof<T>() === 1 ? row : takeClear(width + 16)
  const needsPicture = task.channels === 4 && (task.enlarging !== 0 || task.guided !== 0)
  const pictureRow = <usize>width * task.channels * sizeof<T>()
  const picture = needsPicture ? take(pictureRow * rows) : 0
  memory.fill(task.clear, 1, f.rows)
  for (let top = 0; top < task.height; top += rows) {
    const tall = min(rows, task.height - top)
    if (needsPicture) readPicture(top, tall, picture)
    if (task.enlarging === 0 && task.guided === 0) readMask(top, tall, mask)
    for (let inside = 0; inside < tall; inside++) {
      const y = top + inside
      const own: usize = needsPicture ? picture + <usize>inside * pictureRow : 0
      if (task.enlarging !== 0) enlargeRow<T>(changetype<Enlarging>(task.enlarging), y, own, row)
      else {
        if (task.guided !== 0) guidedRow<T>(changetype<Guided>(task.guided), y, own, maskRow)
        else memory.copy(maskRow, mask + inside * width, width)
        fromBytes<T>(maskRow, width, own, row)
      }
      if (sizeof<T>() > 1) toBytes<T>(row, width, maskRow)
      memory.copy(alpha + <usize>inside * alphaRow, row, alphaRow)
      if (sizeof<T>() > 1) memory.copy(mask + inside * width, maskRow, width)
      if (!isEmpty(row, alphaRow)) store<u8>(task.clear + y / f.cell, 0)
      countRow(changetype<Counter>(task.counter), y, maskRow)
      findSoft<T>(f, y, row)
      markSoft(changetype<Halo>(task.halo), y, maskRow)
    }
    writeAlpha(top, tall, alpha)
    if (task.maskPng !== 0) addRows(changetype<Png>(task.maskPng), mask, tall)
    if (sizeof<T>() > 1) writeMask(top, tall, mask)
  }
  if (task.maskPng !== 0) endPng(changetype<Png>(task.maskPng))
}

/**
 * Makes alpha from 8 bits.
 *
 * @param own a row of RGBA when the picture has its own transparency, which alpha is multiplied by; otherwise 0
 */
function fromBytes<T>(bytes: usize, width: i32, own: usize, row: usize): void {
  const scale: u32 = sizeof<T>() === 1 ? 1 : 257
  if (own === 0) {
    if (sizeof<T>() === 1) return
    for (let x = 0; x < width; x++) store<T>(row + x * sizeof<T>(), <T>(<u32>load<u8>(bytes + x) * scale))
    return
  }
  const maximum = maximumOf<T>()
  for (let x = 0; x < width; x++) {
    const alpha = <f64>(<u32>load<u8>(bytes + x) * scale)
    const opacity = <f64>load<T>(own + (x * 4 + 3) * sizeof<T>())
    store<T>(row + x * sizeof<T>(), <T>(<i32>((alpha * opacity) / maximum + 0.5)))
  }
}

/** @param bytes behind which, to a multiple of 16, there are zeros */
function isEmpty(at: usize, bytes: usize): bool {
  for (let i: usize = 0; i < bytes; i += 16) if (v128.any_true(v128.load(at + i))) return false
  return true
}

/** Takes memory for rows of the picture and of alpha, at least as many as these. */
function takeWindow<T>(task: Task, rows: i32): void {
  task.capacity = max(rowsAtOnce<T>(task), rows)
  task.pixels = take(<usize>task.width * task.capacity * task.channels * sizeof<T>() + 16)
  task.alpha = take(<usize>task.width * task.capacity * sizeof<T>())
  task.start = 0
  task.end = 0
}

/** Sees to it that rows `from` to `to` of picture and alpha are in memory; those before need not stay there. */
function provide<T>(task: Task, from: i32, to: i32): void {
  if (from >= task.start && to <= task.end) return
  const pixelRow = <usize>task.width * task.channels * sizeof<T>()
  const alphaRow = <usize>task.width * sizeof<T>()
  const kept = max(task.end - from, 0)
  const keptPixels = <usize>kept * pixelRow
  const keptAlpha = <usize>kept * alphaRow
  if (kept > 0) {
    memory.copy(task.pixels, pixelsAt<T>(task, from), keptPixels)
    memory.copy(task.alpha, alphaAt<T>(task, from), keptAlpha)
  }
  task.start = from
  task.end = min(from + task.capacity, task.height)
  const rows = task.end - from - kept
  readPicture(from + kept, rows, task.pixels + keptPixels)
  readAlpha(from + kept, rows, task.alpha + keptAlpha)
}

function pixelsAt<T>(task: Task, row: i32): usize {
  return task.pixels + <usize>(row - task.start) * task.width * task.channels * sizeof<T>()
}

function alphaAt<T>(task: Task, row: i32): usize {
  return task.alpha + <usize>(row - task.start) * task.width * sizeof<T>()
}

/** Sums what wide windows need. */
function sumWide<T>(task: Task): void {
  const f = foregroundOf(task)
  for (let band = 0; band < f.rows; band++) {
    if (!isNeededWide(f, band)) continue
    const top = band * f.cell
    provide<T>(task, top, min(top + f.cell, task.height))
    addWide<T>(f, band, pixelsAt<T>(task, top), alphaAt<T>(task, top))
  }
}

function makeColors<T>(task: Task, refine: bool): void {
  const f = foregroundOf(task)
  // Of the wide windows, the first rows may still be there, or none.
  task.end = 0
  task.start = 0
  task.rgba = take(<usize>task.width * 4 * rowsAtOnce<T>(task) * sizeof<T>() + 16)
  if (sizeof<T>() > 1) task.mask = take(task.width * f.cell)
  for (let band = 0; band < f.rows; band++) {
    const top = band * f.cell
    if (refine) {
      const next = min(band + 1, f.rows - 1)
      while (f.nextRow <= next) {
        const last = min(f.nextRow + f.radius, f.rows - 1)
        while (f.nextSum <= last) sumBand<T>(task, top, f.nextSum)
        solveRow(f, f.nextRow)
      }
    }
    makeBand<T>(task, band, refine)
  }
  handOver(task)
  if (task.colorsPng !== 0) endPng(changetype<Png>(task.colorsPng))
}

/** @param from the first row that is still needed */
function sumBand<T>(task: Task, from: i32, band: i32): void {
  const f = foregroundOf(task)
  if (!isNeeded(f, band)) {
    sumRow<T>(f, band, 0, 0)
    return
  }
  const top = band * f.cell
  provide<T>(task, from, min(top + f.cell, task.height))
  sumRow<T>(f, band, pixelsAt<T>(task, top), alphaAt<T>(task, top))
}

/** Hands over the rows of the cut-out that were made. */
function handOver(task: Task): void {
  if (task.colorsPng !== 0) addRows(changetype<Png>(task.colorsPng), task.rgba, task.waiting)
  else if (task.waiting > 0) writeColors(task.made - task.waiting, task.waiting, task.rgba)
  task.waiting = 0
}

function makeBand<T>(task: Task, band: i32, refine: bool): void {
  const f = foregroundOf(task)
  const edge = changetype<Halo>(task.halo)
  const width = task.width
  const top = band * f.cell
  const tall = min(f.cell, task.height - top)
  const isClear = load<u8>(task.clear + band) !== 0
  const isWritten = !isClear || task.keepHiddenColor
  let isSeen = isWritten
  for (let y = top; !isSeen && y < top + tall; y++) isSeen = isLookedAt(edge, y)
  if (isSeen) provide<T>(task, top, top + tall)
  const pixels = pixelsAt<T>(task, top)
  const alpha = alphaAt<T>(task, top)
  if (!isWritten || task.waiting + tall > rowsAtOnce<T>(task)) handOver(task)
  const rgba = task.rgba + <usize>task.waiting * width * 4 * sizeof<T>()
  if (isWritten) {
    const count = width * tall
    if (task.channels === 3 && sizeof<T>() === 1) blend(pixels, alpha, count, task.keepHiddenColor, rgba)
    else blendOne<T>(pixels, task.channels, alpha, 0, count, task.keepHiddenColor, rgba)
    if (refine && hasSoft(f, band)) writeRow<T>(f, band, pixels, alpha, rgba)
    task.waiting += tall
    task.made = top + tall
  } else if (task.colorsPng !== 0) addClearRows(changetype<Png>(task.colorsPng), tall)
  else clearColors(top, tall)
  if (isSeen) lookAt<T>(task, top, tall, isClear ? 0 : rgba)
}

/** Shows rows to what measures the halo. */
function lookAt<T>(task: Task, top: i32, tall: i32, rgba: usize): void {
  const edge = changetype<Halo>(task.halo)
  const width = task.width
  let mask = alphaAt<T>(task, top)
  if (sizeof<T>() > 1) {
    toBytes<T>(mask, width * tall, task.mask)
    mask = task.mask
  }
  for (let row = 0; row < tall; row++) {
    if (!isLookedAt(edge, top + row)) continue
    const made: usize = rgba === 0 ? 0 : rgba + <usize>row * width * 4 * sizeof<T>()
    addColors<T>(edge, top + row, mask + row * width, made, pixelsAt<T>(task, top + row), task.channels)
  }
}

/** 8-bit RGB and alpha, sixteen pixels at once. */
function blend(pixels: usize, alpha: usize, count: i32, keepHiddenColor: bool, rgba: usize): void {
  const whole = count & ~15
  for (let at = 0; at < whole; at += 16) {
    const a = v128.load(alpha + at)
    const into = rgba + at * 4
    if (!keepHiddenColor && !v128.any_true(a)) {
      const nothing = i32x4.splat(0)
      v128.store(into, nothing)
      v128.store(into, nothing, 16)
      v128.store(into, nothing, 32)
      v128.store(into, nothing, 48)
      continue
    }
    const from = pixels + at * 3
    let first = v128.shuffle<u8>(v128.load(from), a, 0, 1, 2, 16, 3, 4, 5, 17, 6, 7, 8, 18, 9, 10, 11, 19)
    let second = v128.shuffle<u8>(
      v128.load(from, 12),
      a,
      0,
      1,
      2,
      20,
      3,
      4,
      5,
      21,
      6,
      7,
      8,
      22,
      9,
      10,
      11,
      23,
    )
    let third = v128.shuffle<u8>(v128.load(from, 24), a, 0, 1, 2, 24, 3, 4, 5, 25, 6, 7, 8, 26, 9, 10, 11, 27)
    // The last four are read from four bytes before them, so that nothing beyond the picture is read.
    let fourth = v128.shuffle<u8>(
      v128.load(from, 32),
      a,
      4,
      5,
      6,
      28,
      7,
      8,
      9,
      29,
      10,
      11,
      12,
      30,
      13,
      14,
      15,
      31,
    )
    if (!keepHiddenColor && !i8x16.all_true(a)) {
      first = visible(first)
      second = visible(second)
      third = visible(third)
      fourth = visible(fourth)
    }
    v128.store(into, first)
    v128.store(into, second, 16)
    v128.store(into, third, 32)
    v128.store(into, fourth, 48)
  }
  blendOne<u8>(pixels, 3, alpha, whole, count, keepHiddenColor, rgba)
}

/** Clears the pixels whose alpha is 0. */
function visible(pixels: v128): v128 {
  return v128.andnot(pixels, i32x4.eq(i32x4.shr_u(pixels, 24), i32x4.splat(0)))
}

/** The same for pixels `first` to `end` of any kind. */
function blendOne<T>(
  pixels: usize,
  channels: i32,
  alpha: usize,
  first: i32,
  end: i32,
  keepHiddenColor: bool,
  rgba: usize,
): void {
  for (let at = first; at < end; at++) {
    const opacity = load<T>(alpha + at * sizeof<T>())
    const isKept = keepHiddenColor || opacity !== 0
    const from = pixels + at * channels * sizeof<T>()
    const into = rgba + at * 4 * sizeof<T>()
    for (let c = 0; c < 3; c++) {
      store<T>(into + c * sizeof<T>(), isKept ? load<T>(from + c * sizeof<T>()) : 0)
    }
    store<T>(into + 3 * sizeof<T>(), isKept ? opacity : 0)
  }
}
