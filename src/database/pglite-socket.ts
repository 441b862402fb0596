import { Duplex } from 'node:stream'
import type { PGlite } from '@electric-sql/pglite'
import { RmbgError } from '../errors.ts'

const terminate = 'X'.charCodeAt(0)
const errorResponse = 'E'.charCodeAt(0)
const readyForQuery = 'Z'.charCodeAt(0)
const simpleQuery = 'Q'.charCodeAt(0)

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
      for (const exchange of exchanges(message)) {
        const answer = Buffer.from(await engine.pglite.execProtocolRaw(exchange))
        reason = fatalReason(answer)
        if (reason !== undefined) break
        this.push(readyOnce(exchange, answer))
      }
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
  for (const part of split(answer)) {
    if (part[0] !== errorResponse) continue
    const fields = part.toString('utf8', 5).split('\0')
    if (!fields.includes('VFATAL') && !fields.includes('VPANIC')) continue
    return fields.find((field) => field.startsWith('M'))?.slice(1) ?? 'it gave no reason'
  }
  return undefined
}

/**
 * What was written, cut where a server answers: behind a simple query (Q), a Sync (S) or a Flush (H). The first
 * message of a session has no letter and is alone.
 */
function* exchanges(message: Buffer): Generator<Buffer> {
  if (message[0] === 0) return yield message
  let from = 0
  let at = 0
  for (const part of split(message)) {
    at += part.length
    if (!'QSH'.includes(String.fromCharCode(part.readUInt8())) && at < message.length) continue
    yield message.subarray(from, at)
    from = at
  }
}

/**
 * PGlite 0.5.8 is ready twice after an error outside a simple query: at once, and at the Sync that a server waits for.
 * postgres.js, which sends queries without waiting for answers, would take every later answer for that of the query
 * before it.
 */
function readyOnce(exchange: Buffer, answer: Buffer): Buffer {
  if (exchange[0] === simpleQuery) return answer
  const parts = split(answer)
  const isExtra = (part: Buffer, index: number) =>
    part[0] === readyForQuery && parts[index - 1]?.[0] === errorResponse
  return parts.some(isExtra) ? Buffer.concat(parts.filter((part, index) => !isExtra(part, index))) : answer
}

/** The messages in a buffer: a letter and a length, which counts itself, before each. */
function split(buffer: Buffer): Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0; at < buffer.length; ) {
    const end = at + 1 + buffer.readUInt32BE(at + 1)
    parts.push(buffer.subarray(at, end))
    at = end
  }
  return parts
}
