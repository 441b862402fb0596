/** What a catalogue asks of a picture, and why a picture fails it. */
import { decodeRgba, readFacts } from './codec/finished.ts'
import { type Framing, frameOf } from './pixels/frame.ts'
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

/**
 * Why a finished picture would be refused; empty when it would not.
 *
 * @param making known for our own cut-outs; without it, a finished file is judged by itself
 */
export async function checkPicture(
  bytes: Uint8Array,
  rules: PictureRules,
  making: Making = { scale: 1, touches: [] },
): Promise<RuleViolation[]> {
  const facts = { ...(await readFacts(bytes)), bytes: bytes.byteLength, ...making }
  const broken = fileViolations(facts, rules)
  if (!rules.background && !rules.subjectShare && !rules.whole) return broken
  const framing = frameOf(await decodeRgba(bytes), rules.background ?? white)
  return [...broken, ...framingViolations(framing, making, rules)]
}

const white = [255, 255, 255]

interface Facts extends Making {
  format: string
  width: number
  height: number
  bytes: number
}

/** A rule, whether it holds, and what to say when it does not. */
type Verdict = [rule: RuleName, holds: boolean, message: string]

const violationsOf = (verdicts: readonly Verdict[]): RuleViolation[] =>
  verdicts.filter(([, holds]) => !holds).map(([rule, , message]) => ({ rule, message }))

function fileViolations(
  { format, width, height, bytes, scale }: Facts,
  rules: PictureRules,
): RuleViolation[] {
  const {
    formats = [format],
    maxPixels = Number.POSITIVE_INFINITY,
    maxBytes = Number.POSITIVE_INFINITY,
  } = rules
  const accepted = formats.join(', ').toUpperCase()
  const pixels = width * height
  return violationsOf([
    ['formats', formats.includes(format), `The format is ${format.toUpperCase()}; accepted are ${accepted}.`],
    ...sideVerdicts('shortestSide', 'shortest', Math.min(width, height), rules),
    ...sideVerdicts('longestSide', 'longest', Math.max(width, height), rules),
    ['maxPixels', pixels <= maxPixels, `It has ${pixels} pixels; at most ${maxPixels} are allowed.`],
    ['square', !rules.square || width === height, `It is ${width}x${height} pixels, not square.`],
    ['maxBytes', bytes <= maxBytes, `The file has ${bytes} bytes; at most ${maxBytes} are allowed.`],
    ['notEnlarged', !rules.notEnlarged || scale <= 1, `The photo was enlarged ${scale.toFixed(1)} times.`],
  ])
}

function sideVerdicts(
  rule: 'shortestSide' | 'longestSide',
  name: string,
  length: number,
  rules: PictureRules,
): Verdict[] {
  const { min = 0, max = length } = rules[rule] ?? {}
  const has = `The ${name} side has ${length} pixels`
  return [
    [rule, length >= min, `${has}; at least ${min} are required.`],
    [rule, length <= max, `${has}; at most ${max} are allowed.`],
  ]
}

function framingViolations(
  { rimIsPlain, share, isInside }: Framing,
  { touches }: Making,
  { background, subjectShare, whole }: PictureRules,
): RuleViolation[] {
  const { min = 0, max = 1 } = subjectShare ?? {}
  const percent = (value: number) => `${Math.round(value * 100)} %`
  const fills = `The subject fills ${percent(share)} of the frame`
  const plain = `The background is not exactly ${hex(background ?? white)} all around.`
  const cut = `The photo cuts the subject off (${touches.join(', ')}).`
  return violationsOf([
    ['background', !background || rimIsPlain, plain],
    ['subjectShare', !subjectShare || share >= min, `${fills}; at least ${percent(min)} are required.`],
    ['subjectShare', !subjectShare || share <= max, `${fills}; at most ${percent(max)} are allowed.`],
    ['whole', !whole || isInside, 'The subject touches the edge of the frame.'],
    ['whole', !whole || touches.length === 0, cut],
  ])
}

const hex = (color: readonly number[]): string =>
  `#${color.map((value) => value.toString(16).padStart(2, '0')).join('')}`
