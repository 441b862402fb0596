/** What the pages of a review ask and are told, as JSON. Only types: the pages are built apart from the program. */

export type Verdict = 'accepted' | 'rejected' | 'open'

/** Which jobs a grid shows. */
export type Shown = 'open' | 'rejected' | 'accepted' | 'all'

/** A cut-out as a grid shows it. */
export interface Tile {
  jobId: string
  name: string | null
  /** Sum over the reasons; 0 where nothing is suspicious. */
  doubt: number
  reasons: string[]
  /** Pixels of the original. */
  width: number | null
  height: number | null
  verdict: Verdict
}

export interface TilePage {
  jobs: Tile[]
  /** Where the next page begins; absent on the last one. */
  next?: string
}

/** Where pages begin, each behind the one before it. */
export interface TilePlaces {
  /** Of the second page, the third and so on. */
  places: string[]
  /** Jobs that were counted. */
  jobs: number
  /** False where there are more than were counted. */
  isAll: boolean
}

export interface SaidVerdict {
  jobId: string
  verdict: Verdict
  by: string
  /** ISO 8601, UTC. */
  at: string
  note: string | null
}

export interface VerdictNews {
  verdicts: SaidVerdict[]
  last: number
}

export interface PictureVersion {
  jobId: string
  isCurrent: boolean
  how: 'run' | 'redo' | 'brush'
  by: string
  at: string
  model: string | null
}

/** The settings that a cut-out can be made again with, as texts; empty where nobody set one. */
export interface RedoSettings {
  background: string
  shadow: string
  trim: string
  padding: string
  size: string
  refine: string
}

/** All that a large view shows of a cut-out. */
export interface Detail extends Tile {
  user: string
  createdAt: string
  model: string | null
  source: string | null
  tags: string[]
  /** Sentences, of a catalogue's rules. */
  violations: string[]
  /** Which of its objects are in the store. */
  kept: { original: boolean; mask: boolean; processed: boolean }
  /** Whether the finished file has the frame of the original, and is transparent: then it can be laid over it. */
  isOverlay: boolean
  settings: RedoSettings
  /** It stood on a picture, which is not recorded. */
  lacksBackground: boolean
  said: SaidVerdict[]
  versions: PictureVersion[]
}

/** What a page begins with. */
export interface Start {
  /** Whose verdicts these are. */
  who: string
  /** The filters of the command line, in words; empty without any. */
  filters: string
  /** Models that a cut-out can be made again with. */
  models: string[]
}

/** A cut-out that was made again, or put back. */
export interface Remade {
  jobId: string
  /** False where the same was made before: then that one counts again. */
  isNew: boolean
  /** Files of the output folder that hold it now. */
  files: string[]
}

/** A cut-out of a page that no server gives: see `rmbg review --html`. */
export interface StaticTile extends Tile {
  /** Paths beside the page; null for what is not in the store. */
  picture: string | null
  before: string | null
  model: string | null
  violations: string[]
}

export interface StaticReview {
  filters: string
  madeAt: string
  /** Whether there are more jobs than these. */
  isCut: boolean
  tiles: StaticTile[]
}
