import { Duplex } from 'node:stream'
import type { PGlite } from '@electric-sql/pglite'
import { RmbgError } from '../errors.ts'

const terminate = 'X'.charCodeAt(0)

/**
 * A byte stream that answers like a PostgreSQL server, for the `socket` option of postgres.js. postgres.js never
 * splits a message over two writes, so each write is executed as it is.
 */
export class PgliteSocket extends Duplex {
  readonly #pglite: PGlite

  constructor(pglite: PGlite) {
    super()
    this.#pglite = pglite
  }

  /** postgres.js says goodbye only to a socket that is open. */
  get readyState(): 'open' | 'closed' {
    return this.destroyed ? 'closed' : 'open'
  }

  override _read(): void {}

  override _write(message: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    if (message[0] === terminate) {
      done() // the database outlives its sessions
      return
    }
    this.#pglite.execProtocolRaw(message).then(
      (answer) => {
        this.push(Buffer.from(answer))
        done()
      },
      (cause) => done(stopped(cause)),
    )
  }

  override _final(done: () => void): void {
    done()
    this.destroy()
  }
}

function stopped(cause: Error): RmbgError {
  return new RmbgError('DATABASE_ERROR', `The embedded database stopped: ${cause.message}.`, {
    hint: 'What it acknowledged before is kept. Check that its disk has room and run the command again.',
    cause,
  })
}
