import type { BatchEvent } from '../../process/events.ts'

/** Listens to a batch and tells a person or a program about it. Results go to stdout, the rest to stderr. */
export type Printer = (event: BatchEvent) => void

export interface PrinterOptions {
  quiet: boolean
  verbose: boolean
}
