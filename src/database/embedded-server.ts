/** The holder of an embedded database serves it to other processes of its user, on a socket that nobody else can reach. */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { RmbgError } from '../errors.ts'
import type { ServerAddress } from '../system/lock.ts'
import { askForPassword, failure, Incoming, isStartup, passwordMessage, terminate } from './pg-protocol.ts'
import type { PgliteSession, PgliteSessions } from './pglite-session.ts'

/** How long transactions of others may go on when the holder wants to end. */
const graceMs = 5_000

/** Bytes that fit in `sun_path` of every system, without the NUL: macOS has 104, Linux 108. */
const longestPath = 103

const suffix = '.sock'

/** What a holder serves once it is open. */
export interface Served {
  sessions: PgliteSessions
  /** What a server says to whom it lets in. */
  greeting: Buffer
}

export interface EmbeddedServer {
  /** Where it listens; others find it in the lock. */
  address: ServerAddress
  /** Lets those in who wait, and all who come. */
  serve(served: Served): void
  /** How many are connected. */
  readonly clients: number
  /** Lets nobody in any more. Statements that were sent are answered, and transactions have a moment to end. */
  close(): Promise<void>
}

/**
 * Listens for other processes. Called before the database is locked, so that whoever finds the lock finds the socket;
 * those who connect wait until something is served.
 *
 * @param folder of the embedded database
 * @throws what the disk reports when there is no place for a socket
 */
export async function listen(folder: string): Promise<EmbeddedServer> {
  const token = randomBytes(24).toString('hex')
  const clients = new Set<Client>()
  let serve = (_served: Served): void => {}
  let refuse = (_reason: Error): void => {}
  const served = new Promise<Served>((resolve, reject) => {
    serve = resolve
    refuse = reject
  })
  served.catch(() => {}) // each client that waits hears of it
  const server = createServer((socket) => {
    const client = new Client(socket, token)
    clients.add(client)
    client.attend(served).finally(() => clients.delete(client))
  })
  const path = await listenSomewhere(server, folder)
  server.unref()
  return {
    address: { path, token },
    serve: (what) => serve(what),
    get clients() {
      return clients.size
    },
    close: async () => {
      refuse(new Error('The server is closed.'))
      const closed = new Promise((resolve) => server.close(resolve))
      const timer = setTimeout(() => {
        for (const client of clients) client.drop()
      }, graceMs)
      for (const client of clients) client.end()
      await closed
      clearTimeout(timer)
      // Node has removed the socket itself.
      if (!isElsewhere(path, folder)) return
      await rmdir(dirname(path)).catch(() => {})
      await rm(noteIn(folder), { force: true })
    },
  }
}

/** In the folder, which is private to its user; elsewhere, in one as private, if that has no room for sockets. */
async function listenSomewhere(server: Server, folder: string): Promise<string> {
  const name = randomBytes(4).toString('hex')
  if (process.platform === 'win32') return listenAt(server, `\\\\.\\pipe\\rmbg-${name}`)
  const near = join(folder, `${name}${suffix}`)
  if (Buffer.byteLength(near) <= longestPath) {
    const path = await listenAt(server, near).catch(() => undefined) // some network and container file systems
    if (path !== undefined) return path
  }
  return listenAt(server, join(await mkdtemp(join(tmpdir(), 'rmbg-')), `${name}${suffix}`))
}

async function listenAt(server: Server, path: string): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
  if (process.platform !== 'win32') await chmod(path, 0o600)
  return path
}

/** Whether the socket has a folder of its own. A pipe of Windows has none. */
const isElsewhere = (path: string, folder: string): boolean =>
  process.platform !== 'win32' && dirname(path) !== folder

/** Where the file is that names a socket elsewhere, for the process that cleans up after a killed one. */
const noteIn = (folder: string): string => join(folder, 'socket-elsewhere')

/**
 * Removes the sockets of killed processes. Only for the process that has the lock.
 *
 * @param path of its own socket
 */
export async function removeStaleSockets(folder: string, path: string): Promise<void> {
  if (process.platform === 'win32') return
  for (const name of await readdir(folder)) {
    if (name.endsWith(suffix) && join(folder, name) !== path) await rm(join(folder, name), { force: true })
  }
  const note = noteIn(folder)
  const elsewhere = await readFile(note, 'utf8').catch(() => undefined)
  if (elsewhere !== undefined) {
    await rm(elsewhere, { force: true })
    await rmdir(dirname(elsewhere)).catch(() => {})
    await rm(note, { force: true })
  }
  if (isElsewhere(path, folder)) await writeFile(note, path, { mode: 0o600 })
}

/** A process that is connected. */
class Client {
  readonly #socket: Socket
  readonly #token: string
  #session: PgliteSession | undefined
  #isEnding = false
  #isBusy = false

  constructor(socket: Socket, token: string) {
    this.#socket = socket
    this.#token = token
    socket.on('error', () => {}) // it is gone; `attend` ends
  }

  /** Answers until the client or the holder ends. Never fails. */
  async attend(served: Promise<Served>): Promise<void> {
    const incoming = new Incoming()
    try {
      for await (const piece of this.#socket) {
        for (const exchange of incoming.add(piece)) {
          this.#isBusy = true
          const isOver = (await this.#answer(exchange, served)) === 'over'
          this.#isBusy = false
          if (isOver || (this.#isEnding && this.#isIdle)) return
        }
      }
    } catch (error) {
      // Otherwise the connection is lost.
      if (error instanceof RmbgError) await this.#send(failure('58030', error.message)).catch(() => {})
    } finally {
      await this.#session?.close()
      this.#socket.destroySoon()
    }
  }

  async #answer(exchange: Buffer, served: Promise<Served>): Promise<'over' | undefined> {
    if (this.#session) {
      if (exchange[0] === terminate) return 'over'
      for await (const answer of this.#session.execute(exchange)) await this.#send(answer)
      return undefined
    }
    if (isStartup(exchange)) {
      await this.#send(askForPassword)
      return undefined
    }
    if (exchange[0] !== passwordMessage || !this.#isToken(exchange.subarray(5, -1))) {
      await this.#send(failure('28P01', 'this is not the password in the lock of the embedded database'))
      return 'over'
    }
    const { sessions, greeting } = await served
    this.#session = sessions.open({ shares: true, onIdle: () => this.drop() })
    await this.#send(greeting)
    return undefined
  }

  /** Whether it is in the middle of nothing. */
  get #isIdle(): boolean {
    return !this.#isBusy && (this.#session === undefined || this.#session.isIdle)
  }

  #isToken(given: Buffer): boolean {
    const token = Buffer.from(this.#token)
    return given.length === token.length && timingSafeEqual(given, token)
  }

  /** Waits until the client has taken it: what is not read is not held in memory. */
  #send(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** Ends it as soon as it is in the middle of nothing. */
  end(): void {
    this.#isEnding = true
    if (this.#isIdle) this.#socket.end()
  }

  drop(): void {
    this.#socket.destroy()
  }
}
