/** What a review is told of a mask, counted row by row as the mask is made. */
import { take, takeClear } from './memory'

export const clearBelow: i32 = 13
export const opaqueFrom: i32 = 243

/** Given to JavaScript as it lies in memory: all numbers are f64. */
export class Figures {
  sum: f64 = 0
  clear: f64 = 0
  opaque: f64 = 0
  /** Of the visible pixels; `right` is -1 when there are none. */
  left: f64 = 0
  top: f64 = 0
  right: f64 = 0
  bottom: f64 = 0
  /** Pixels of the frame's sides that are subject. */
  touchesTop: f64 = 0
  touchesRight: f64 = 0
  touchesBottom: f64 = 0
  touchesLeft: f64 = 0
  islands: f64 = 0
  holes: f64 = 0
  /** Negative when there is nothing to measure. */
  halo: f64 = 0
  expectedIou: f64 = 0
}

export class Counter {
  figures: usize = 0
  width: i32 = 0
  height: i32 = 0
  /** Regions are counted on a grid of at most 256 cells a side. */
  cell: i32 = 0
  /** Sixteen samples tell whether a cell is mostly subject. */
  step: i32 = 0
  columns: i32 = 0
  rows: i32 = 0
  /** u32: the sum of a cell's samples. */
  sums: usize = 0
}

export function counter(width: i32, height: i32): Counter {
  const counter = changetype<Counter>(take(offsetof<Counter>()))
  counter.figures = takeClear(offsetof<Figures>())
  counter.width = width
  counter.height = height
  counter.cell = (max(width, height) + 255) / 256
  counter.step = (counter.cell + 3) / 4
  counter.columns = (width + counter.cell - 1) / counter.cell
  counter.rows = (height + counter.cell - 1) / counter.cell
  counter.sums = takeClear(counter.columns * counter.rows * 4)
  const figures = changetype<Figures>(counter.figures)
  figures.left = width
  figures.top = height
  figures.right = -1
  return counter
}

/** @param mask a row; the bytes behind it, to a multiple of 16, are 0 */
export function countRow(counter: Counter, y: i32, mask: usize): void {
  const figures = changetype<Figures>(counter.figures)
  const width = counter.width
  let sums = i32x4.splat(0)
  let clear = 0
  let opaque = 0
  let first = -1
  let last = -1
  for (let x = 0; x < width; x += 16) {
    const values = v128.load(mask + x)
    const inside: u32 = x + 16 <= width ? 0xffff : (1 << (width - x)) - 1
    const visible = i8x16.bitmask(i8x16.ge_u(values, i8x16.splat(<i8>clearBelow)))
    clear += popcnt(~visible & inside)
    if (visible === 0 && !v128.any_true(values)) continue
    opaque += popcnt(i8x16.bitmask(i8x16.ge_u(values, i8x16.splat(<i8>opaqueFrom))))
    sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(values)))
    if (visible === 0) continue
    if (first < 0) first = x + ctz(visible)
    last = x + 31 - clz(visible)
  }
  figures.clear += clear
  figures.opaque += opaque
  figures.sum +=
    i32x4.extract_lane(sums, 0) +
    i32x4.extract_lane(sums, 1) +
    i32x4.extract_lane(sums, 2) +
    i32x4.extract_lane(sums, 3)
  if (last >= 0) {
    figures.left = Math.min(figures.left, first)
    figures.right = Math.max(figures.right, last)
    figures.top = Math.min(figures.top, y)
    figures.bottom = y
  }
  if (y === 0) figures.touchesTop = subjectPixels(mask, width)
  if (y === counter.height - 1) figures.touchesBottom = subjectPixels(mask, width)
  if (load<u8>(mask) >= 128) figures.touchesLeft += 1
  if (load<u8>(mask + width - 1) >= 128) figures.touchesRight += 1
  const cell = counter.cell
  if ((y % cell) % counter.step === 0 && last >= 0) addSamples(counter, y / cell, mask)
  else if ((y % cell) % counter.step === 0 && v128.any_true(sums)) addSamples(counter, y / cell, mask)
}

function subjectPixels(mask: usize, width: i32): f64 {
  let count = 0
  for (let x = 0; x < width; x++) if (load<u8>(mask + x) >= 128) count++
  return count
}

function addSamples(counter: Counter, row: i32, mask: usize): void {
  const cell = counter.cell
  const step = counter.step
  let at = counter.sums + row * counter.columns * 4
  for (let left = 0; left < counter.width; left += cell) {
    const right = min(left + cell, counter.width)
    let sum: u32 = 0
    for (let x = left; x < right; x += step) sum += load<u8>(mask + x)
    store<u32>(at, load<u32>(at) + sum)
    at += 4
  }
}

/** Islands and holes smaller than this share of the frame are specks. */
const speckShare: f64 = 0.0005

/** What a cell is: neither, once it is counted; beyond the frame there are cells, too. */
const background: u8 = 0
const subject: u8 = 1
const counted: u8 = 2
const frame: u8 = 3

/** Counts parts and openings. Subject also connects over corners; background does not, or a thin closed curve would leak. */
export function countRegions(counter: Counter): void {
  const figures = changetype<Figures>(counter.figures)
  const columns = counter.columns
  const rows = counter.rows
  const stride = columns + 2
  const cells = take(stride * (rows + 2))
  memory.fill(cells, frame, stride * (rows + 2))
  for (let row = 0, at = 0; row < rows; row++) {
    const tall = samplesOf(min(counter.cell, counter.height - row * counter.cell), counter.step)
    for (let column = 0; column < columns; column++, at++) {
      const wide = samplesOf(min(counter.cell, counter.width - column * counter.cell), counter.step)
      const mostly = <f64>load<u32>(counter.sums + at * 4) >= 127.5 * <f64>(wide * tall)
      store<u8>(cells + (row + 1) * stride + column + 1, mostly ? subject : background)
    }
  }
  const smallest = Math.max(speckShare * <f64>(columns * rows), 1)
  stack = take(columns * rows * 4)
  for (let row = 1; row <= rows; row++) {
    for (let start = row * stride + 1; start <= row * stride + columns; start++) {
      const value = load<u8>(cells + start)
      if (value === counted) continue
      let size = 0
      let atFrame = false
      depth = 0
      visit(cells, start, value)
      while (depth > 0) {
        const at = <i32>load<u32>(stack + --depth * 4)
        size++
        if (visit(cells, at - 1, value)) atFrame = true
        if (visit(cells, at + 1, value)) atFrame = true
        if (visit(cells, at - stride, value)) atFrame = true
        if (visit(cells, at + stride, value)) atFrame = true
        if (value === background) continue
        visit(cells, at - stride - 1, value)
        visit(cells, at - stride + 1, value)
        visit(cells, at + stride - 1, value)
        visit(cells, at + stride + 1, value)
      }
      if (<f64>size < smallest) continue
      if (value === subject) figures.islands += 1
      else if (!atFrame) figures.holes += 1
    }
  }
}

/** Cells of a region (u32) whose neighbors are still to be looked at. */
let stack: usize = 0
let depth: i32 = 0

/** @returns whether it lies beyond the frame */
function visit(cells: usize, at: i32, value: u8): bool {
  const found = load<u8>(cells + at)
  if (found === value) {
    store<u8>(cells + at, counted)
    store<u32>(stack + depth++ * 4, at)
  }
  return found === frame
}

function samplesOf(length: i32, step: i32): i32 {
  return (length + step - 1) / step
}

/** @param values f32, 0..1 */
export function expectedIou(values: usize, count: i32): f64 {
  let intersection: f64 = 0
  let union: f64 = 0
  for (let i = 0; i < count; i++) {
    const value = <f64>load<f32>(values + i * 4)
    if (value >= 0.5) {
      intersection += value
      union += 1
    } else union += value
  }
  return intersection === 0 ? 0 : intersection / union
}
