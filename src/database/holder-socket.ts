import { createConnection, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { RmbgError } from '../errors.ts'
import type { LockHolder } from '../system/lock.ts'
import { ownerIsStopped } from '../system/owner.ts'

/** The code of the error of statements whose holder ended under them; they may be repeated on the next holder. */
export const holderEnded = 'HOLDER_ENDED'

/** How often a holder that has not said anything yet is looked at, and how long it is given. */
const lookMs = 1_000
const silenceMs = 30_000

/** Connects to a holder. @returns undefined when nobody listens there */
export function connectTo(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', () => resolve(undefined))
  })
}

/**
 * A connection to the process that has an embedded database, for the `socket` option of postgres.js. However it ends, it
 * fails with the code `HOLDER_ENDED`, unless this process ends it.
 */
export class HolderSocket extends Duplex {
  readonly #socket: Socket
  readonly #looking: NodeJS.Timeout

  /** @param silent makes the error for a holder that lets in whoever comes and says nothing, from what it does */
  constructor(socket: Socket, holder: LockHolder, silent: (why: string) => RmbgError) {
    super()
    this.#socket = socket
    const since = Date.now()
    this.#looking = setInterval(() => {
      if (ownerIsStopped(holder.owner)) this.destroy(silent('which is stopped'))
      else if (Date.now() - since > silenceMs) this.destroy(silent('which does not answer'))
    }, lookMs)
    socket.once('data', () => clearInterval(this.#looking))
    socket.on('data', (bytes) => {
      if (!this.push(bytes)) socket.pause()
    })
    socket.on('error', () => {}) // `close` follows
    socket.on('close', () => {
      if (!this.writableEnded) {
        const ended = new Error('the process that had the embedded database ended')
        this.destroy(Object.assign(ended, { code: holderEnded }))
      } else this.destroy()
    })
  }

  /** postgres.js says goodbye only to a socket that is open. */
  get readyState(): 'open' | 'closed' {
    return this.destroyed ? 'closed' : 'open'
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#socket.write(bytes, () => done()) // what fails closes the socket
  }

  override _final(done: () => void): void {
    this.#socket.end(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearInterval(this.#looking)
    this.#socket.destroy()
    done(error)
  }
}
