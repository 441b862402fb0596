import { Duplex } from 'node:stream'
import { startup, terminate } from './pg-protocol.ts'
import type { PgliteSession } from './pglite-session.ts'

/**
 * A byte stream that answers like a PostgreSQL server, for the `socket` option of postgres.js. postgres.js never
 * splits a message over two writes, so each write is executed as it is.
 */
export class PgliteSocket extends Duplex {
  readonly #session: PgliteSession
  readonly #greeting: Buffer

  /** @param greeting what a server says to whom it lets in */
  constructor(session: PgliteSession, greeting: Buffer) {
    super()
    this.#session = session
    this.#greeting = greeting
  }

  /** postgres.js says goodbye only to a socket that is open. */
  get readyState(): 'open' | 'closed' {
    return this.destroyed ? 'closed' : 'open'
  }

  override _read(): void {}

  override _write(written: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#answer(written).then(() => done(), done)
  }

  async #answer(written: Buffer): Promise<void> {
    if (written[0] === terminate) return // the database outlives its sessions
    // Not within the write: postgres.js 3.4.9 would forget what it then says.
    await undefined
    if (written[0] === startup) this.push(this.#greeting)
    else for await (const answer of this.#session.execute(written)) this.push(answer)
  }

  override _final(done: () => void): void {
    done()
    this.destroy()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#session.close().then(() => done(error))
  }
}
