/** What a fleet shares: a campaign's settings, its pictures by their names, and shards, which are some of them. */
import type { CutoutRecipe } from '../cutout/options.ts'
import { isWebAddress, shownAddress } from '../process/inputs/addresses.ts'
import type { BrokenLine, SourceItem } from '../process/inputs/sources.ts'
import type { ObjectKind } from '../store/contract.ts'
import { shownPath } from '../system/file-names.ts'

/** A picture by its name, as data: a file that every worker can open under this path, or an object by its address. */
export type Item = FileItem | AddressItem | BrokenItem

export interface FileItem {
  /** Absolute. */
  path: string
  /** How many characters of it name the folder of the input: the path below `--output` starts behind them. */
  below: number
}

/** `below`: how many characters of its key are not part of its path below `--output`. */
export type AddressItem = SourceItem & { below: number }

/** A line of a manifest that names no picture: it fails by name, and alone. */
export interface BrokenItem {
  broken: BrokenLine
}

/** What a job of the queue holds. */
export interface Shard {
  /** The campaign's id. */
  campaign: string
  items: Item[]
  /** Workers that ended while they had these pictures, before this shard was made. */
  deaths?: number
  /** Of the trace that it was enqueued in; absent without one. */
  trace?: Record<string, string>
}

/** Pictures of an input, and where its listing stands behind them. */
export interface Page {
  items: Item[]
  /** JSON. Whoever gives it back gets what comes behind these items. */
  cursor: unknown
}

/** Lists an input. @param from where an earlier listing of the same input stood; undefined: from the begin */
export type ListInput = (input: string, from: unknown) => AsyncIterable<Page>

/** What every worker has to do alike, as the table keeps it. The model is named, and its digest is in the fingerprint. */
export interface CampaignSettings {
  model: string
  maxPixels: number
  allowSvg: boolean
  keep: ObjectKind[]
  tags: string[]
  /** A background picture is in base64. */
  cutout: Record<string, unknown>
  cutoutParams: Record<string, unknown>
  /** Of the cut-outs, without a dot. */
  extension: string
  originals: 'reference' | 'copy'
  /** A prefix of a bucket that cut-outs go to. */
  outputBucket?: { name: string; prefix: string; ending: string }
  /** Absolute folders that all workers reach. */
  output?: string
  masks?: string
  suffix?: string
  checksum: boolean
  force: boolean
}

export type CutoutOfAll = Omit<CutoutRecipe, 'depth'>

/** What tells it from others of its campaign: the path of its candidate. */
export function itemName(item: Item): string {
  if ('path' in item) return item.path
  return 'url' in item ? item.url : `${item.broken.manifest}:${item.broken.line}`
}

/** As people may see it. */
export const shownItem = (item: Item): string => shownInput(itemName(item))

/** An address of the web may hold credentials; a path may hold what is no text. */
export const shownInput = (name: string): string =>
  isWebAddress(name) ? shownAddress(name) : shownPath(name)
