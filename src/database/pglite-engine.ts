import type { PGlite } from '@electric-sql/pglite'
import { RmbgError } from '../errors.ts'
import { fatalReason, readyOnce, split } from './pg-protocol.ts'

/** A PGlite that is not touched any more once it has stopped: that would take the whole process down. */
export class PgliteEngine {
  readonly pglite: PGlite
  #failure: RmbgError | undefined

  constructor(pglite: PGlite) {
    this.pglite = pglite
  }

  /** Why it stopped; undefined while it has not. */
  get failure(): RmbgError | undefined {
    return this.#failure
  }

  /**
   * Executes what a client writes before it waits for an answer.
   *
   * @returns the messages of the answer
   * @throws RmbgError DATABASE_UNAVAILABLE when the database has stopped
   */
  async execute(exchange: Buffer): Promise<Buffer[]> {
    if (this.#failure) throw this.#failure
    let reason: string | undefined
    try {
      const answer = split(Buffer.from(await this.pglite.execProtocolRaw(exchange)))
      reason = fatalReason(answer)
      if (reason === undefined) return readyOnce(exchange, answer)
    } catch (cause) {
      reason = (cause as Error).message
    }
    this.#failure = new RmbgError('DATABASE_UNAVAILABLE', `The embedded database stopped: ${reason}.`, {
      hint: 'What it acknowledged before is kept. Check that its disk has room and run the command again.',
    })
    throw this.#failure
  }

  async close(): Promise<void> {
    if (!this.#failure) await this.pglite.close()
  }
}
