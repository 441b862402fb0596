import { mkdir } from 'node:fs/promises'
import { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { RmbgError } from '../errors.ts'
import { diskProblem } from '../system/files.ts'
import type { LockHolder } from '../system/lock.ts'
import { clusterIn, forgetMigrated, isMigrated, openCluster, prepareCluster } from './embedded-cluster.ts'
import { folderHolder, folderLocked, lockFolder } from './embedded-lock.ts'
import { type EmbeddedServer, listen, removeStaleSockets } from './embedded-server.ts'
import { connectTo, HolderSocket } from './holder-socket.ts'
import { startupMessage } from './pg-protocol.ts'
import { PgliteEngine } from './pglite-engine.ts'
import { PgliteSessions } from './pglite-session.ts'
import { PgliteSocket } from './pglite-socket.ts'

/** Longer than a holder takes to end. One that still lives then, and serves nobody, has the database to itself. */
const endingMs = 10_000
const pauseMs = 50

export interface AccessOptions {
  /** Whether the holder lets other processes in. */
  shares: boolean
  /** Whether a new database may have tables already. */
  migrated: boolean
}

/** What only the holder has. */
interface Holding {
  engine: PgliteEngine
  sessions: PgliteSessions
  greeting: Buffer
  /** Undefined when nobody else is let in. */
  server: EmbeddedServer | undefined
  release: () => Promise<void>
}

/**
 * The way to an embedded database. One process at a time has it in PGlite: the holder. It lets others in, through a
 * socket. When it ends, the next of them that has something to ask becomes the holder.
 */
export class EmbeddedAccess {
  readonly #folder: string
  readonly #options: AccessOptions
  #holding: Holding | undefined
  /** Whom this process asks, when it is not the holder itself. */
  #holder: LockHolder | undefined
  #isServing = false
  #isClosed = false

  constructor(folder: string, options: AccessOptions) {
    this.#folder = folder
    this.#options = options
  }

  /** Whether this process has it, and not another one. */
  get isHolder(): boolean {
    return this.#holding !== undefined
  }

  /** Whether the database has stopped. */
  get hasFailed(): boolean {
    return this.#holding?.engine.failure !== undefined
  }

  /** What the holder asks for before it answers. */
  get password(): string {
    return this.#holder?.server?.token ?? ''
  }

  /** For the `socket` option of postgres.js, where a maker that fails would leave the client waiting for ever. */
  async socket(): Promise<Duplex> {
    try {
      return await this.#attach()
    } catch (cause) {
      const error = folderError(this.#folder, cause)
      return new Duplex({ read: () => {}, write: (_bytes, _encoding, done) => done(error) })
    }
  }

  async #attach(): Promise<Duplex> {
    for (const since = Date.now(); ; ) {
      if (this.#isClosed) throw new RmbgError('DATABASE_UNAVAILABLE', 'The embedded database was closed.')
      if (this.#holding) return this.#ownSocket(this.#holding)
      const holder = await folderHolder(this.#folder)
      if (holder) {
        const socket = holder.server && (await connectTo(holder.server.path))
        this.#holder = holder
        if (socket) return new HolderSocket(socket, holder, (why) => folderLocked(this.#folder, holder, why))
        if (!holder.server || Date.now() - since > endingMs) throw folderLocked(this.#folder, holder)
        await sleep(pauseMs)
      } else if (await this.#take()) this.#holder = undefined
      else if (Date.now() - since > endingMs) throw folderLocked(this.#folder, undefined)
    }
  }

  #ownSocket({ sessions, greeting }: Holding): Duplex {
    return new PgliteSocket(sessions.open({ shares: false }), greeting)
  }

  /** @returns false when another process was faster */
  async #take(): Promise<boolean> {
    const folder = this.#folder
    // Names of photographs and users are private: nobody else on the machine may read them.
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const undo: (() => Promise<void>)[] = []
    try {
      const server = this.#options.shares ? await listen(folder).catch(() => undefined) : undefined
      if (server) undo.push(() => server.close())
      const release = await lockFolder(folder, server?.address)
      undo.push(release)
      if (server) await removeStaleSockets(folder, server.address.path)
      await prepareCluster(folder, this.#options)
      const { migrated } = this.#options
      if (!migrated) await forgetMigrated(folder) // a restore may bring fewer migrations
      const onlyAsked = migrated && (await isMigrated(folder))
      const engine = new PgliteEngine(await openCluster(clusterIn(folder), { onlyAsked }))
      undo.push(() => engine.close())
      const greeting = Buffer.concat(await engine.execute(startupMessage(login)))
      this.#holding = { engine, sessions: new PgliteSessions(engine), greeting, server, release }
      if (this.#isServing) this.serve()
      return true
    } catch (error) {
      for (const step of undo.reverse()) await step().catch(() => {}) // what went wrong first is what matters
      if (error instanceof RmbgError && error.code === 'DATABASE_LOCKED') return false
      throw error
    }
  }

  /** Lets others in, now and whenever this process becomes the holder. */
  serve(): void {
    this.#isServing = true
    if (this.#holding) this.#holding.server?.serve(this.#holding)
  }

  /**
   * Makes sure that no other process uses the database from here on.
   *
   * @throws RmbgError DATABASE_LOCKED when another one does
   */
  async useAlone(): Promise<void> {
    const why = 'and this needs it alone'
    if (!this.#holding) throw folderLocked(this.#folder, this.#holder, why)
    const { server } = this.#holding
    if (!server || !this.#isServing) return
    if (server.clients > 0) throw folderLocked(this.#folder, undefined, why)
    this.#holding.server = undefined
    await server.close()
  }

  /**
   * Does something with PGlite while no session can. Only after `useAlone`.
   *
   * @throws RmbgError DATABASE_LOCKED when another process has it
   */
  async withEngine<T>(action: (engine: PgliteEngine) => Promise<T>): Promise<T> {
    if (!this.#holding) throw folderLocked(this.#folder, this.#holder)
    return this.#holding.sessions.alone(action)
  }

  /** Ends what others began, and leaves the database to the next holder. */
  async close(): Promise<void> {
    this.#isClosed = true
    const holding = this.#holding
    this.#holding = undefined
    try {
      await holding?.server?.close()
      await holding?.engine.close()
    } finally {
      await holding?.release()
    }
  }
}

/** PGlite's own. Otherwise postgres.js sends that of the system's user, who may have no name; PGlite exits when there is none. */
export const login = { user: 'postgres', database: 'postgres', client_encoding: 'UTF8' }

/** What opening an embedded database met, in a sentence. */
export function folderError(folder: string, cause: unknown): RmbgError {
  if (cause instanceof RmbgError) return cause
  const disk = diskProblem(cause, folder)
  if (disk?.problem === 'denied') {
    return new RmbgError('DATABASE_DENIED', disk.sentence, {
      hint: 'Check its owner, choose another RMBG_HOME, or set DATABASE_URL to a PostgreSQL server.',
      cause,
    })
  }
  if (disk) {
    return new RmbgError('DATABASE_UNAVAILABLE', disk.sentence, {
      hint: 'Make room there, or choose another RMBG_HOME.',
      cause,
    })
  }
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new RmbgError('DATABASE_ERROR', `The embedded database in ${folder} cannot be opened: ${reason}.`, {
    hint: 'Check that its disk has room. If it is damaged, restore a backup, or move the folder away to start anew.',
    cause,
  })
}
