import * as Flags from '@oclif/core/flags'
import { fits } from '../cutout/layout.ts'
import { cutoutFormats } from '../cutout/options.ts'
import { environmentVariable as env } from '../settings/settings.ts'

const helpGroup = 'CUT-OUT'

/** How the cut-out is made: the flags of the settings in `cutout-settings.ts`. */
export const cutoutFlags = {
  format: Flags.string({
    helpGroup,
    options: [...cutoutFormats],
    description: `file format (default: png) [env: ${env('format')}]`,
  }),
  quality: Flags.integer({
    helpGroup,
    min: 1,
    max: 100,
    description: `quality of webp (default: 90), avif (65) and jpeg (90) [env: ${env('quality')}]`,
  }),
  'max-bytes': Flags.string({
    helpGroup,
    helpValue: 'SIZE',
    description: `lower the quality until the file is no larger than this, such as 500KB [env: ${env('maxBytes')}]`,
  }),
  background: Flags.string({
    helpGroup,
    helpValue: 'COLOR|IMAGE',
    description: `put the subject on a color or a picture; none is transparent (default: none; white for jpeg) [env: ${env('background')}]`,
  }),
  shadow: Flags.string({
    helpGroup,
    helpValue: 'soft|X Y BLUR STRENGTH',
    description: `put a soft shadow under the subject; or right, down, blur and strength in percent of its length: "1% 2% 2% 40%" (default: none) [env: ${env('shadow')}]`,
  }),
  trim: Flags.boolean({
    helpGroup,
    allowNo: true,
    description: `cut away the empty space around the subject [env: ${env('trim')}]`,
  }),
  padding: Flags.string({
    helpGroup,
    helpValue: '40px|5%',
    description: `add space on every side, in pixels or as a share of width and height [env: ${env('padding')}]`,
  }),
  size: Flags.string({
    helpGroup,
    helpValue: 'WxH',
    description: `size of the canvas in pixels; width or height may be left out [env: ${env('size')}]`,
  }),
  fit: Flags.string({
    helpGroup,
    options: [...fits],
    description: `how to fill the canvas: contain shows all of it, centered (default); cover crops; fill stretches; inside never enlarges [env: ${env('fit')}]`,
  }),
  icc: Flags.string({
    helpGroup,
    options: ['srgb', 'keep'],
    description: `convert colors to sRGB, or keep the picture's own profile (default: srgb) [env: ${env('icc')}]`,
  }),
  'keep-metadata': Flags.boolean({
    helpGroup,
    allowNo: true,
    description: `keep EXIF and XMP, except the location; without it, only author and copyright are kept [env: ${env('keepMetadata')}]`,
  }),
  refine: Flags.boolean({
    helpGroup,
    allowNo: true,
    description: `remove the old background's color from soft edges (default: yes) [env: ${env('refine')}]`,
  }),
  'keep-hidden-color': Flags.boolean({
    helpGroup,
    allowNo: true,
    description: `keep the color of fully transparent pixels [env: ${env('keepHiddenColor')}]`,
  }),
}
