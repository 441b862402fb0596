/**
 * What `import … from 'rmbg-batch'` gives. Names here follow semantic versioning, as commands, flags and events do.
 */
export { type ErrorCode, RmbgError } from '../errors.ts'
export type { BatchEvent, ImageEvent, SummaryEvent } from '../process/events.ts'
export type { CutoutOptions, ProcessOptions, RemoveBackgroundOptions, RmbgOptions } from './options.ts'
export type { Picture } from './picture.ts'
export { openRmbg, type RemovedBackground, type Rmbg } from './rmbg.ts'
