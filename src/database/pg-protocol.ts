/** Messages of PostgreSQL's protocol, version 3 ("Message Formats" in its documentation), as far as PGlite needs help. */

/** 3.0 */
const protocolVersion = 0x0003_0000

export const startup = 0
export const terminate = 'X'.charCodeAt(0)
export const passwordMessage = 'p'.charCodeAt(0)
const errorResponse = 'E'.charCodeAt(0)
const readyForQuery = 'Z'.charCodeAt(0)
const simpleQuery = 'Q'.charCodeAt(0)
const parse = 'P'.charCodeAt(0)
const bind = 'B'.charCodeAt(0)
const describe = 'D'.charCodeAt(0)
const close = 'C'.charCodeAt(0)
const preparedStatement = 'S'.charCodeAt(0)

/** A server answers behind a simple query, a Sync and a Flush. */
const answered = ['Q', 'S', 'H'].map((letter) => letter.charCodeAt(0))

/** What a session is in the middle of: nothing, a transaction, or one that failed. */
export type TransactionStatus = 'I' | 'T' | 'E'

/** A message: a letter, a length that counts itself, and its body. */
export function message(letter: string, body: Buffer | string = ''): Buffer {
  const content = Buffer.from(body)
  const head = Buffer.alloc(5)
  head.write(letter)
  head.writeUInt32BE(content.length + 4, 1)
  return Buffer.concat([head, content])
}

export const query = (sql: string): Buffer => message('Q', `${sql}\0`)

/** The first message of a session. */
export function startupMessage(settings: Record<string, string>): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(protocolVersion, 4)
  const pairs = Object.entries(settings).flat()
  const whole = Buffer.concat([head, Buffer.from(`${pairs.join('\0')}\0\0`)])
  whole.writeUInt32BE(whole.length)
  return whole
}

/** Whether it begins a session; others ask for encryption or cancel a statement of another session. */
export const isStartup = (part: Buffer): boolean =>
  part.length >= 8 && part.readUInt32BE(4) === protocolVersion

/** Ends what was sent of an extended query. */
export const sync = message('S')

/** Closes prepared statements. */
export const closeStatements = (names: readonly string[]): Buffer =>
  Buffer.concat([...names.map((name) => message('C', `S${name}\0`)), sync])

/** Asks for a password, in a private place: as it is. */
export const askForPassword = message('R', Buffer.from([0, 0, 0, 3]))

/**
 * An error before the connection ends. PostgreSQL would not be ready after it, but postgres.js 3.4.9 only tells of errors
 * that a server was ready after.
 */
export const failure = (code: string, sentence: string): Buffer =>
  Buffer.concat([message('E', `SFATAL\0VFATAL\0C${code}\0M${sentence}\0\0`), message('Z', 'I')])

/** The messages in a buffer that holds whole ones. */
export function split(buffer: Buffer): Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0; at < buffer.length; ) {
    const end = at + 1 + buffer.readUInt32BE(at + 1)
    parts.push(buffer.subarray(at, end))
    at = end
  }
  return parts
}

/** What was written, cut where a server answers. The first message of a session has no letter and is alone. */
export function* exchanges(written: Buffer): Generator<Buffer> {
  if (written[0] === startup) return yield written
  let from = 0
  let at = 0
  for (const part of split(written)) {
    at += part.length
    if (!answered.includes(part.readUInt8()) && at < written.length) continue
    yield written.subarray(from, at)
    from = at
  }
}

/** Collects what comes in pieces. */
export class Incoming {
  #buffer: Buffer = Buffer.alloc(0)
  #isStarted = false

  #take(bytes: number): Buffer {
    const taken = this.#buffer.subarray(0, bytes)
    this.#buffer = this.#buffer.subarray(bytes)
    return taken
  }

  /** @returns the whole exchanges, and a startup message by itself, that the piece completes */
  *add(piece: Buffer): Generator<Buffer> {
    this.#buffer = this.#buffer.length === 0 ? piece : Buffer.concat([this.#buffer, piece])
    if (!this.#isStarted) {
      const bytes = this.#buffer.length < 4 ? Number.POSITIVE_INFINITY : this.#buffer.readUInt32BE()
      if (this.#buffer.length < bytes) return
      this.#isStarted = true
      yield this.#take(bytes)
    }
    for (let end = this.#end(); end > 0; end = this.#end()) yield this.#take(end)
  }

  /** Where the first whole exchange ends; 0 while there is none. */
  #end(): number {
    for (let at = 0; at + 5 <= this.#buffer.length; ) {
      const letter = this.#buffer.readUInt8(at)
      at += 1 + this.#buffer.readUInt32BE(at + 1)
      if (at > this.#buffer.length) return 0
      if (answered.includes(letter) || letter === terminate || letter === passwordMessage) return at
    }
    return 0
  }
}

/** Where in a message the name of a prepared statement begins; undefined where it has none. */
function statementAt(part: Buffer): number | undefined {
  const letter = part[0]
  if (letter === parse) return 5
  if (letter === bind) return part.indexOf(0, 5) + 1 // behind the name of the portal
  return (letter === describe || letter === close) && part[5] === preparedStatement ? 6 : undefined
}

/** The name of the prepared statement that a message makes; undefined for any other message. */
export const statementMadeBy = (part: Buffer): string | undefined =>
  part[0] === parse ? part.toString('utf8', 5, part.indexOf(0, 5)) || undefined : undefined

/** The message with a prefix before the name of its prepared statement, if it names one. */
export function withStatementPrefix(part: Buffer, prefix: string): Buffer {
  const at = statementAt(part)
  if (at === undefined || part[at] === 0) return part
  const renamed = Buffer.concat([part.subarray(0, at), Buffer.from(prefix), part.subarray(at)])
  renamed.writeUInt32BE(renamed.length - 1, 1)
  return renamed
}

/** The SQL in a message; undefined where it has none. */
export function sqlIn(part: Buffer): string | undefined {
  if (part[0] === simpleQuery) return part.toString('utf8', 5, part.length - 1)
  if (part[0] !== parse) return undefined
  const at = part.indexOf(0, 5) + 1
  return part.toString('utf8', at, part.indexOf(0, at))
}

/** The message with other SQL in place of its own. */
export function withSql(part: Buffer, sql: string): Buffer {
  if (part[0] === simpleQuery) return query(sql)
  return message('P', Buffer.concat([part.subarray(5, part.indexOf(0, 5) + 1), Buffer.from(`${sql}\0\0\0`)]))
}

/** What the session is in the middle of after an answer; undefined where the answer does not end with that. */
export function statusAfter(answer: readonly Buffer[]): TransactionStatus | undefined {
  const last = answer.at(-1)
  return last?.[0] === readyForQuery
    ? (String.fromCharCode(last.readUInt8(5)) as TransactionStatus)
    : undefined
}

/**
 * The message of an error that ended the database, if there is one in the answer: a server would close the connection
 * after it.
 */
export function fatalReason(answer: readonly Buffer[]): string | undefined {
  for (const part of answer) {
    if (part[0] !== errorResponse) continue
    const fields = part.toString('utf8', 5).split('\0')
    if (!fields.includes('VFATAL') && !fields.includes('VPANIC')) continue
    return fields.find((field) => field.startsWith('M'))?.slice(1) ?? 'it gave no reason'
  }
  return undefined
}

/**
 * PGlite 0.5.8 is ready twice after an error outside a simple query: at once, and at the Sync that a server waits for.
 * postgres.js, which sends queries without waiting for answers, would take every later answer for that of the query
 * before it.
 */
export function readyOnce(exchange: Buffer, answer: Buffer[]): Buffer[] {
  if (exchange[0] === simpleQuery) return answer
  const isExtra = (part: Buffer, index: number) =>
    part[0] === readyForQuery && answer[index - 1]?.[0] === errorResponse
  return answer.filter((part, index) => !isExtra(part, index))
}
