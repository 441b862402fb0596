import { Duplex } from 'node:stream'
import type { PGlite } from '@electric-sql/pglite'
import { RmbgError } from '../errors.ts'

const terminate = 'X'.charCodeAt(0)
const errorResponse = 'E'.charCodeAt(0)

/** A PGlite and, once it has stopped, the reason: touched after that it takes the whole process down. */
export interface Engine {
  pglite: PGlite
  failure?: RmbgError
}

/**
 * A byte stream that answers like a PostgreSQL server, for the `socket` option of postgres.js. postgres.js never
 * splits a message over two writes, so each write is executed as it is.
 */
export class PgliteSocket extends Duplex {
  readonly #engine: Engine

  constructor(engine: Engine) {
    super()
    this.#engine = engine
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
    this.#execute(message).then(() => done(), done)
  }

  async #execute(message: Buffer): Promise<void> {
    const engine = this.#engine
    if (engine.failure) throw engine.failure
    let reason: string | undefined
    try {
      const answer = await engine.pglite.execProtocolRaw(message)
      reason = fatalReason(Buffer.from(answer))
      if (reason === undefined) this.push(answer)
    } catch (cause) {
      reason = (cause as Error).message
    }
    if (reason === undefined) return
    engine.failure = new RmbgError('DATABASE_UNAVAILABLE', `The embedded database stopped: ${reason}.`, {
      hint: 'What it acknowledged before is kept. Check that its disk has room and run the command again.',
    })
    throw engine.failure
  }

  override _final(done: () => void): void {
    done()
    this.destroy()
  }
}

/**
 * The message of an error that ended the database, if there is one among the answers: a server would close the
 * connection after it (PostgreSQL documentation, "Message Formats", ErrorResponse).
 */
function fatalReason(answer: Buffer): string | undefined {
  for (let at = 0; at < answer.length; at += 1 + answer.readUInt32BE(at + 1)) {
    if (answer[at] !== errorResponse) continue
    const end = at + 1 + answer.readUInt32BE(at + 1)
    const fields = answer.toString('utf8', at + 5, end).split('\0')
    if (!fields.includes('VFATAL') && !fields.includes('VPANIC')) continue
    return fields.find((field) => field.startsWith('M'))?.slice(1) ?? 'it gave no reason'
  }
  return undefined
}
