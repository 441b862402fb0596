/**
 * Every failure a user can meet has one stable code here; the code's family decides the exit status
 * (`terminal/exit.ts`). Image codes fail one image, the other families end the run.
 */
export const errorFamilies = {
  USAGE: 'usage',
  NO_MATCH: 'usage',
  CONFIG_INVALID: 'usage',
  NOT_FOUND: 'usage',
  REFUSED: 'usage',

  INPUT_NOT_FOUND: 'image',
  INPUT_IS_FOLDER: 'image',
  INPUT_UNREADABLE: 'image',
  INPUT_EMPTY: 'image',
  INPUT_UNSUPPORTED: 'image',
  INPUT_CORRUPT: 'image',
  INPUT_TOO_LARGE: 'image',
  INPUT_CHANGED: 'image',
  MEMORY_BUDGET: 'image',
  OUTPUT_UNWRITABLE: 'image',
  OUTPUT_TOO_LARGE: 'image',
  MASK_MISSING: 'image',
  MODEL_OUTPUT: 'image',
  MODEL_CRASHED: 'image',
  LEASE_LOST: 'image',
  UNEXPECTED: 'image',

  MODEL_MISSING: 'model',
  MODEL_INVALID: 'model',
  MODEL_DAMAGED: 'model',
  MODEL_LICENSE: 'model',
  MODEL_GATED: 'model',
  MODEL_DOWNLOAD: 'model',
  DEVICE_UNAVAILABLE: 'model',
  RUNTIME_UNAVAILABLE: 'model',

  STORE_UNAVAILABLE: 'store',
  STORE_DENIED: 'store',
  STORE_FULL: 'store',
  STORE_OBJECT_MISSING: 'store',
  STORE_OBJECT_DAMAGED: 'store',
  STORE_CHECKSUM: 'store',
  STORE_CONFLICT: 'store',
  BACKUP_INVALID: 'store',

  DATABASE_UNAVAILABLE: 'database',
  DATABASE_DENIED: 'database',
  DATABASE_LOCKED: 'database',
  DATABASE_NOT_MIGRATED: 'database',
  DATABASE_TOO_NEW: 'database',
  DATABASE_DRIFT: 'database',
  DATABASE_ERROR: 'database',
} as const

export type ErrorCode = keyof typeof errorFamilies
export type ErrorFamily = (typeof errorFamilies)[ErrorCode]

/** What is wrong with one object, and says nothing of the others in its store. */
export const objectErrors: readonly string[] = [
  'STORE_OBJECT_MISSING',
  'STORE_OBJECT_DAMAGED',
] satisfies ErrorCode[]
/** What a store may say of one request, after its driver's own retries, and serve the next. */
export const passingStoreErrors: readonly string[] = [
  'STORE_UNAVAILABLE',
  'STORE_CHECKSUM',
] satisfies ErrorCode[]

/** The one error class for everything a person can act on: a sentence, a stable code, a hint. */
export class RmbgError extends Error {
  readonly code: ErrorCode
  /** What to do about it, as one more sentence. */
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'RmbgError'
    this.code = code
    this.hint = options.hint
  }

  get family(): ErrorFamily {
    return errorFamilies[this.code]
  }
}

/** The one sentence for an argument that cannot be used; `what` as the user typed it, such as `--since`. */
export const unexpected = (what: string, expected: string, received: string): RmbgError =>
  new RmbgError('USAGE', `${what} expects ${expected} but received ${JSON.stringify(received)}.`)

/** An error as it passes between threads, which keep no class. */
export type PlainError = Pick<RmbgError, 'code' | 'message' | 'hint'>

export const toPlainError = ({ code, message, hint }: RmbgError): PlainError => ({ code, message, hint })

export const fromPlainError = ({ code, message, hint }: PlainError): RmbgError =>
  new RmbgError(code, message, hint === undefined ? {} : { hint })
