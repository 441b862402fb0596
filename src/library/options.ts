/** What callers of the library may say, by the names of docs/settings.md. Values are those of the command's flags. */
import type { Fit } from '../cutout/layout.ts'
import type { CutoutFormat } from '../cutout/options.ts'
import type { Device } from '../model/contract.ts'
import type { BatchEvent } from '../process/events.ts'

/** How cut-outs are made. */
export interface CutoutOptions {
  /** Default: png. */
  format?: CutoutFormat
  /** 1..100, for WebP, AVIF and JPEG. */
  quality?: number
  /** Such as `500KB`, or a number of bytes; lowers the quality until the file is no larger. */
  maxBytes?: string | number
  /** A CSS color, the path of a picture, or `none`, the default. */
  background?: string
  /** `soft`, `none`, or right, down, blur and strength such as `1% 2% 2% 40%`. */
  shadow?: string
  /** Cuts the canvas down to the subject. */
  trim?: boolean
  /** Around the subject: `40px`, `5%`, or a number of pixels. */
  padding?: string | number
  /** Of the canvas: `2000x2000`, `2000x` or `x2000`. */
  size?: string
  /** How the subject fits a `size`. */
  fit?: Fit
  /** `srgb` (default) converts colors; `keep` keeps the profile of the picture. */
  icc?: 'srgb' | 'keep'
  keepMetadata?: boolean
  /** Clean colors at soft edges; on by default. */
  refine?: boolean
  keepHiddenColor?: boolean
  /** Name of a marketplace's preset, or the path of its JSON file. Options beside it win over it. */
  preset?: string
}

/** What is fixed while an `Rmbg` is open. */
export interface RmbgOptions extends CutoutOptions {
  /** Name of a model or path of an ONNX file; `auto`, the default, is the best that is installed. */
  model?: string
  device?: Device
  /** Of one inference; all cores by default. */
  threads?: number
  /** Folder of models, embedded database and local store. */
  home?: string
  /** For all pictures in work together, such as `4GB`, or bytes. */
  maxMemory?: string | number
  maxPixels?: number
  /** Also render SVG files; only for files you trust. */
  allowSvg?: boolean
  /** Pictures in work at once, of `process`. */
  concurrency?: number
  /** `postgres://…`; of `process`. Without it, and without DATABASE_URL, the embedded database. */
  databaseUrl?: string
  /** Names of buckets and the address of their server, of `process`. Credentials come from the usual places of AWS. */
  s3Bucket?: string
  s3Prefix?: string
  s3Endpoint?: string
  s3Region?: string
  /** How long servers that are away are waited for, such as `2m`. */
  patience?: string
  /** Hears what a person should know: which model `auto` took and why, what is waited for. */
  onNotice?: (message: string) => void
}

export interface RemoveBackgroundOptions extends CutoutOptions {
  /** Ends the waiting. What a thread has begun, it finishes, and the outcome is thrown away. */
  signal?: AbortSignal
}

/** What `rmbg process` takes as flags. */
export interface ProcessOptions extends CutoutOptions {
  /** Also write the cut-outs here: a folder, `s3://bucket/prefix/`, or for one input a file such as `cutout.png`. */
  output?: string
  /** `-cutout` makes a-cutout.png of a.jpg; without `output`, beside its input. */
  suffix?: string
  /** Also write the masks into this folder. */
  masks?: string
  /** In the place of cut-outs, also replace files that rmbg did not make; never an input. */
  overwrite?: boolean
  /** What to store; all three by default. */
  keep?: readonly ('original' | 'mask' | 'processed')[]
  /** Originals of inputs in a bucket: `reference` (default) names them where they lie, `copy` copies them. */
  originals?: 'reference' | 'copy'
  /** Also take the pictures whose addresses this manifest names: a file, or `s3://bucket/key`. */
  manifest?: string
  /** Take only this part of the inputs, such as `3/8`. */
  part?: string
  /** The user whom the jobs belong to. */
  user?: string
  tags?: readonly string[]
  /** Globs of inputs to leave out. */
  ignore?: readonly string[]
  /** Compare contents, instead of path, size and time. */
  checksum?: boolean
  /** Process pictures that are done already. */
  force?: boolean
  /** Only tell what would be done. */
  dryRun?: boolean
  /** Start no more pictures after so many failures. */
  maxFailures?: number
  /** When it aborts, no new picture is taken; those in work are finished. */
  signal?: AbortSignal
  /** Hears every event of the run, as `--json` prints them. */
  onEvent?: (event: BatchEvent) => void
}
