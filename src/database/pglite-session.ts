import { Mutex } from 'async-mutex'
import { RmbgError } from '../errors.ts'
import {
  closeStatements,
  exchanges,
  query,
  split,
  sqlIn,
  statementMadeBy,
  statusAfter,
  sync,
  type TransactionStatus,
  withSql,
  withStatementPrefix,
} from './pg-protocol.ts'
import type { PgliteEngine } from './pglite-engine.ts'

/** How long a transaction may stand still while others wait. */
const idleMs = 30_000

/**
 * Several sessions on one PGlite, which is one session itself: they take turns, a transaction at a time, as behind a
 * pooler ("transaction pooling"). Prepared statements are kept apart by their names. What else outlives a transaction
 * on a server would be everybody's here, so a session that shares refuses it: settings, LISTEN, locks of a session.
 */
export class PgliteSessions {
  readonly #engine: PgliteEngine
  readonly #turn = new Mutex()
  #count = 0
  #waiting = 0

  constructor(engine: PgliteEngine) {
    this.#engine = engine
  }

  /** Whether somebody waits for a turn. */
  get isWanted(): boolean {
    return this.#waiting > 0
  }

  /** @param options.shares whether others, of other processes, use the database as well */
  open({ shares, onIdle = () => {} }: SessionOptions): PgliteSession {
    return new PgliteSession(this, this.#engine, { shares, onIdle, prefix: `${++this.#count}_` })
  }

  /** Does something with PGlite while no session can. Waits for a transaction to end. */
  async alone<T>(action: (engine: PgliteEngine) => Promise<T>): Promise<T> {
    const release = await this.takeTurn()
    try {
      return await action(this.#engine)
    } finally {
      release()
    }
  }

  async takeTurn(): Promise<() => void> {
    this.#waiting++
    try {
      return await this.#turn.acquire()
    } finally {
      this.#waiting--
    }
  }
}

interface SessionOptions {
  shares: boolean
  /** Told when the session keeps a transaction open, does nothing and others wait. It is closed then. */
  onIdle?: () => void
}

/** One of the sessions. Its methods are called one after the other, but `close` at any time. */
export class PgliteSession {
  readonly #sessions: PgliteSessions
  readonly #engine: PgliteEngine
  readonly #options: Required<SessionOptions> & { prefix: string }
  /** Names as PGlite knows them. */
  readonly #statements = new Set<string>()
  /** Ends the turn; undefined when it is not this session's. */
  #endTurn: (() => void) | undefined
  #status: TransactionStatus = 'I'
  #isClosed = false
  #executing: Promise<unknown> = Promise.resolve()
  #idleTimer: NodeJS.Timeout | undefined

  constructor(
    sessions: PgliteSessions,
    engine: PgliteEngine,
    options: Required<SessionOptions> & { prefix: string },
  ) {
    this.#sessions = sessions
    this.#engine = engine
    this.#options = options
  }

  /** Whether it is in no transaction, and in the middle of nothing. */
  get isIdle(): boolean {
    return this.#endTurn === undefined
  }

  /**
   * Executes whole messages, up to where the client waits, when it is this session's turn.
   *
   * @returns the answers, as they come
   * @throws RmbgError DATABASE_UNAVAILABLE when the database has stopped or the session was closed
   */
  async *execute(written: Buffer): AsyncGenerator<Buffer> {
    for (const exchange of exchanges(written)) {
      const answer = this.#executeOne(exchange)
      this.#executing = answer
      yield await answer
    }
  }

  async #executeOne(exchange: Buffer): Promise<Buffer> {
    clearTimeout(this.#idleTimer)
    this.#endTurn ??= await this.#sessions.takeTurn()
    try {
      if (this.#isClosed) throw new RmbgError('DATABASE_UNAVAILABLE', 'The session was closed.')
      const own = Buffer.concat(split(exchange).map((part) => this.#own(part)))
      const answer = await this.#engine.execute(own)
      // Without a status the client has more to say before it can be somebody else's turn.
      const status = statusAfter(answer)
      if (status === 'I') this.#pass()
      else this.#watch()
      this.#status = status ?? this.#status
      return Buffer.concat(answer)
    } catch (error) {
      this.#pass()
      throw error
    }
  }

  /** The message as it is executed: with names of its own, and nothing that others would feel. */
  #own(part: Buffer): Buffer {
    const sql = this.#options.shares ? sqlIn(part) : undefined
    const allowed = sql !== undefined && outlivesTransaction(sql) ? withSql(part, refusal) : part
    const own = withStatementPrefix(allowed, this.#options.prefix)
    const name = statementMadeBy(own)
    if (name !== undefined) this.#statements.add(name)
    return own
  }

  #pass(): void {
    clearTimeout(this.#idleTimer)
    this.#endTurn?.()
    this.#endTurn = undefined
  }

  #watch(): void {
    this.#idleTimer = setTimeout(() => {
      if (this.#sessions.isWanted) this.#options.onIdle()
      else this.#watch()
    }, idleMs).unref()
  }

  /** Undoes the transaction that it is in, and forgets its prepared statements. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#executing.catch(() => {})
    if (this.#endTurn === undefined && this.#statements.size === 0) return
    if (this.#engine.failure) return this.#pass()
    this.#endTurn ??= await this.#sessions.takeTurn()
    try {
      await this.#engine.execute(sync)
      if (this.#status !== 'I') await this.#engine.execute(query('rollback'))
      await this.#engine.execute(closeStatements([...this.#statements]))
    } catch {
      // It has stopped, and its sessions with it.
    } finally {
      this.#pass()
    }
  }
}

const sessionLock = /\bpg_(try_)?advisory_(un)?lock(_all|_shared)?\s*\(/i
const sessionSetting = /\bset_config\s*\([^)]*,\s*false\s*\)/i
const sessionStatement =
  /^\s*(set(?!\s+(local|transaction|constraints)\b)|reset|discard|listen|unlisten|notify|prepare|deallocate|load|copy|create\s+((global|local)\s+)?temp)/i
const heldCursor = /^\s*declare\b.*\bwith\s+hold\b/is

/** Whether a statement leaves behind on its session what the next one on it would meet. */
const outlivesTransaction = (sql: string): boolean =>
  [sessionLock, sessionSetting, sessionStatement, heldCursor].some((pattern) => pattern.test(sql))

const refusal = `do $$ begin raise exception using errcode = '0A000',
  message = 'the embedded database is shared by several processes, where nothing may outlive a transaction'; end $$`
