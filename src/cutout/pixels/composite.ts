/** From picture and matte to mask and cut-out. */
import type { Box, Picture, Samples } from '../picture.ts'
import { giveBack, takeBuffer } from './buffers.ts'
import { type Kernels, type Planes, pixelKernels } from './kernels.ts'
import type { MattePlane } from './matte.ts'
import type { PngRows } from './png.ts'
import { type FrameSide, type Review, reviewOf, touchShare } from './review.ts'

export interface CompositeOptions {
  /** Remove the old background's color from soft edges. */
  refine: boolean
  /** Keep the colors of fully transparent pixels instead of clearing them. */
  keepHiddenColor: boolean
}

export interface CompositeTask extends CompositeOptions {
  picture: Picture
  /** At the model's size; or a finished mask at the picture's size, with the picture's own transparency in it. */
  matte: MattePlane | Uint8Array<ArrayBuffer>
  /** Bring the matte to full size along the picture's edges. */
  guided: boolean
  /** Of a model whose mattes are known to say how good they are: what `expectedIou` must reach. */
  leastExpectedIou?: number | undefined
}

/** What is known of a cut-out. */
interface CutoutFacts {
  width: number
  height: number
  /** Bounding box of the visible pixels; absent when there are none. */
  subject: Box | undefined
  review: Review
}

/** Mask and cut-out in memory. */
export interface CutoutPixels extends CutoutFacts {
  /** Alpha 0..255, width * height bytes. */
  mask: Uint8Array<ArrayBuffer>
  /** Interleaved RGBA, width * height * 4 samples as deep as the picture's. */
  rgba: Samples
}

/** Mask and cut-out, ready for their files: grey with 8 bits, and RGBA as deep as the picture. */
export interface CutoutRows extends CutoutFacts {
  maskRows: PngRows
  rgbaRows: PngRows
  depth: 8 | 16
}

/**
 * Makes mask and cut-out. The matte is multiplied by the picture's own transparency. Partly transparent pixels get the
 * subject's own color (with `refine`), opaque ones keep theirs, and fully transparent ones are cleared unless
 * `keepHiddenColor`.
 */
export function composite(task: CompositeTask): CutoutPixels {
  const { data: samples, width, height } = task.picture
  const pixels = width * height
  const deep = samples instanceof Uint16Array
  const mask = takeMask(pixels)
  const { buffer, isClear } = takeBuffer(pixels * (deep ? 8 : 4))
  const rgba = deep ? new Uint16Array(buffer, 0, pixels * 4) : new Uint8Array(buffer, 0, pixels * 4)
  return { mask, rgba, ...run(task, { mask, rgba, isClear }) }
}

/** The same, written as it is made: the pixels of a cut-out are never all in memory. */
export function compositeRows(task: CompositeTask): CutoutRows {
  const { data: samples, width, height } = task.picture
  const mask = takeMask(width * height)
  const [maskRows, rgbaRows]: Uint8Array[][] = [[], []]
  const facts = run(task, { mask, files: [maskRows!, rgbaRows!] })
  giveBack(mask.buffer)
  return {
    maskRows: maskRows!,
    rgbaRows: rgbaRows!,
    depth: samples instanceof Uint16Array ? 16 : 8,
    ...facts,
  }
}

const takeMask = (pixels: number) => new Uint8Array(takeBuffer(pixels).buffer, 0, pixels)

function run(task: CompositeTask, into: Pick<Planes, 'mask' | 'rgba' | 'isClear' | 'files'>): CutoutFacts {
  const { picture, matte, guided, refine, keepHiddenColor, leastExpectedIou } = task
  const { data: samples, width, height, channels } = picture
  const pixels = width * height
  const deep = samples instanceof Uint16Array
  const kernels = pixelKernels()
  const finished = matte instanceof Uint8Array ? matte : undefined
  const alpha = deep ? new Uint16Array(pixels) : into.mask!
  kernels.planes = { width, picture: { samples, channels }, finished, alpha, ...into }
  kernels.release()
  const plane = matte instanceof Uint8Array ? ([0, 0, 0] as const) : planeIn(kernels, matte)
  const isWritten = into.files !== undefined
  const recipe = [refine, keepHiddenColor, ...plane, guided, isWritten] as const
  const at = kernels.composite(width, height, channels, deep, ...recipe)
  kernels.planes = undefined
  const figures = figuresAt(kernels, at)
  return {
    ...{ width, height },
    subject: subjectBox(figures),
    review: reviewOf({
      ...figures,
      ...{ pixels, touches: touchedSides(figures, width, height) },
      expectedIou: finished ? null : figures.expectedIou,
      haloScore: figures.halo < 0 ? null : figures.halo,
      leastExpectedIou,
    }),
  }
}

/** Lets the next picture have the memory of this one, once nobody reads it any more. */
export function release({ mask, rgba }: CutoutPixels): void {
  giveBack(mask.buffer, rgba.buffer)
}

/** @returns where a matte lies in the kernels' memory, and its size */
function planeIn(kernels: Kernels, { values, width, height }: MattePlane) {
  const address = kernels.take(values.byteLength)
  new Float32Array(kernels.memory.buffer, address, values.length).set(values)
  return [address, width, height] as const
}

type Figures = ReturnType<typeof figuresAt>

/** `Figures` of assembly/figures.ts. */
function figuresAt({ memory }: Kernels, address: number) {
  const values = new Float64Array(memory.buffer, address, figureNames.length)
  return Object.fromEntries(figureNames.map((name, i) => [name, values[i]!])) as Record<FigureName, number>
}

const figureNames = [
  ...(['sum', 'clear', 'opaque', 'left', 'top', 'right', 'bottom'] as const),
  ...(['touchesTop', 'touchesRight', 'touchesBottom', 'touchesLeft'] as const),
  ...(['islands', 'holes', 'halo', 'expectedIou'] as const),
] as const
type FigureName = (typeof figureNames)[number]

function subjectBox({ left, top, right, bottom }: Figures): Box | undefined {
  return right < 0 ? undefined : { left, top, width: right - left + 1, height: bottom - top + 1 }
}

function touchedSides(figures: Figures, width: number, height: number): FrameSide[] {
  const sides: [FrameSide, number][] = [
    ['top', figures.touchesTop / width],
    ['right', figures.touchesRight / height],
    ['bottom', figures.touchesBottom / width],
    ['left', figures.touchesLeft / height],
  ]
  return sides.filter(([, touched]) => touched > touchShare).map(([side]) => side)
}
