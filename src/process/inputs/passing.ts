/** Failures of a server of the web. Apart from the client, which is a hundred files that most runs do without. */
import { RmbgError } from '../../errors.ts'

export interface PassingOptions {
  afterMs?: number
  isAway?: boolean
  hint?: string
  cause?: unknown
}

/** It may go better at another try. */
export class Passing extends RmbgError {
  /** How long the server asks to be left alone. */
  readonly afterMs: number
  /** It concerns the server, not the picture: a try much later may go better, too. */
  readonly isAway: boolean
  constructor(message: string, { afterMs = 0, isAway = false, hint, cause }: PassingOptions = {}) {
    super('INPUT_UNREADABLE', message, { cause, ...(hint !== undefined && { hint }) })
    this.afterMs = afterMs
    this.isAway = isAway
  }
}

/** Whether an error says something of the server alone, and nothing of the picture. */
export const isServerAway = (error: unknown): boolean => error instanceof Passing && error.isAway
