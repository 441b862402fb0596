import sharp from 'sharp'
import type { FrameSide } from './pixels/review.ts'

/** What a catalogue asks of a picture; absent: anything goes. Sides in pixels, shares 0..1. */
export interface PictureRules {
  /** As sharp names them. */
  formats?: string[] | undefined
  shortestSide?: Range | undefined
  longestSide?: Range | undefined
  maxPixels?: number | undefined
  square?: boolean | undefined
  /** sRGB 0..255: every pixel of the frame's rim, exactly. */
  background?: [number, number, number] | undefined
  /** Of the subject's longer side, measured along it, in the frame. */
  subjectShare?: Range | undefined
  /** The subject may leave neither this frame nor that of the photo. */
  whole?: boolean | undefined
  /** Enlarged photos are refused. */
  notEnlarged?: boolean | undefined
  maxBytes?: number | undefined
}

interface Range {
  min?: number | undefined
  max?: number | undefined
}

export type RuleName = keyof PictureRules

export interface RuleViolation {
  rule: RuleName
  /** Why the picture fails, for people. */
  message: string
}

/** What the picture alone does not tell. */
export interface Making {
  /** Enlargement of the photo. */
  scale: number
  /** Where the subject left the photo. */
  touches: readonly FrameSide[]
}

/** Compression leaves traces; a pixel farther than this (0..255, any channel) from the background is subject. */
const subjectDistance = 12

/**
 * Why a finished picture would be refused; empty when it would not. On a transparent background the subject is what is
 * visible, on a plain one what differs from it.
 *
 * @param making known for a cut-out of ours; a finished file is judged by itself
 */
export async function checkPicture(
  bytes: Uint8Array,
  rules: PictureRules,
  making?: Making,
): Promise<RuleViolation[]> {
  const { format, width, height } = await sharp(bytes, { limitInputPixels: false }).metadata()
  const violations: RuleViolation[] = []
  const expect = (rule: RuleName, holds: boolean, message: string) => {
    if (!holds) violations.push({ rule, message })
  }
  const side = (rule: 'shortestSide' | 'longestSide', length: number) => {
    const { min, max } = rules[rule] ?? {}
    const name = rule === 'shortestSide' ? 'shortest' : 'longest'
    expect(
      rule,
      length >= (min ?? 0),
      `The ${name} side has ${length} pixels; at least ${min} are asked for.`,
    )
    expect(
      rule,
      length <= (max ?? length),
      `The ${name} side has ${length} pixels; at most ${max} are allowed.`,
    )
  }
  if (rules.formats) {
    expect(
      'formats',
      rules.formats.includes(format),
      `The format is ${format.toUpperCase()}; accepted are ${rules.formats.join(', ').toUpperCase()}.`,
    )
  }
  side('shortestSide', Math.min(width, height))
  side('longestSide', Math.max(width, height))
  const maxPixels = rules.maxPixels ?? Number.POSITIVE_INFINITY
  expect(
    'maxPixels',
    width * height <= maxPixels,
    `It has ${width * height} pixels; at most ${maxPixels} are allowed.`,
  )
  expect('square', !rules.square || width === height, `It is ${width}x${height} pixels, not square.`)
  const maxBytes = rules.maxBytes ?? Number.POSITIVE_INFINITY
  expect(
    'maxBytes',
    bytes.byteLength <= maxBytes,
    `The file has ${bytes.byteLength} bytes; at most ${maxBytes} are allowed.`,
  )
  const scale = making?.scale ?? 1
  expect('notEnlarged', !rules.notEnlarged || scale <= 1, `The photo was enlarged ${scale.toFixed(1)} times.`)

  if (!rules.background && !rules.subjectShare && !rules.whole) return violations
  const seen = await look(bytes, rules.background)
  if (rules.background) {
    expect(
      'background',
      seen.rimIsPlain,
      `The background is not exactly ${hex(rules.background)} all around.`,
    )
  }
  if (rules.subjectShare) {
    const { min = 0, max = 1 } = rules.subjectShare
    const percent = (share: number) => `${Math.round(share * 100)} %`
    expect(
      'subjectShare',
      seen.share >= min,
      `The subject fills ${percent(seen.share)} of the frame; at least ${percent(min)} are asked for.`,
    )
    expect(
      'subjectShare',
      seen.share <= max,
      `The subject fills ${percent(seen.share)} of the frame; at most ${percent(max)} are allowed.`,
    )
  }
  if (rules.whole) {
    expect('whole', seen.isInside, 'The subject touches the edge of the frame.')
    const cut = making?.touches ?? []
    expect('whole', cut.length === 0, `The photo cuts the subject off (${cut.join(', ')}).`)
  }
  return violations
}

/** The subject's bounding box against the frame, and the rim. */
async function look(bytes: Uint8Array, background: PictureRules['background']) {
  const { data, info } = await sharp(bytes, { limitInputPixels: false })
    .autoOrient()
    .toColourspace('srgb')
    .ensureAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
  const { width, height } = info
  const ground = background ?? [255, 255, 255]
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

const hex = (colour: readonly number[]): string =>
  `#${colour.map((value) => value.toString(16).padStart(2, '0')).join('')}`
