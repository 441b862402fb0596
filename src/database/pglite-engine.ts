import type { PGlite } from '@electric-sql/pglite'
import { RmbgError } from '../errors.ts'
import { fatalReason, readyOnce, split, sync } from './pg-protocol.ts'

/** A PGlite that is not touched any more once it has stopped: that would take the whole process down. */
export class PgliteEngine {
  readonly #pglite: PGlite
  #failure: RmbgError | undefined

  constructor(pglite: PGlite) {
    this.#pglite = pglite
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
      const answer = split(await this.#answer(exchange))
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

  /** Not by `execProtocolRaw`, which also parses what it gives, and keeps all of that for ever (PGlite 0.5.8). */
  async #answer(exchange: Buffer): Promise<Buffer> {
    const parts: Buffer[] = []
    const onRawData = (part: Uint8Array) => {
      parts.push(Buffer.from(part)) // the database's own memory, which it uses again
    }
    await this.#pglite.execProtocolRawStream(exchange, { onRawData })
    return Buffer.concat(parts)
  }

  /** PGlite itself, to be asked in its other ways while no session is. */
  async lend(): Promise<PGlite> {
    // Its answers would go to where that of the last session went, until a question of its own takes them back.
    await this.#pglite.execProtocol(sync)
    return this.#pglite
  }

  async close(): Promise<void> {
    if (!this.#failure) await this.#pglite.close()
  }
}
