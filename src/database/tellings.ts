/** What is said of each error of PostgreSQL, the driver and the network. */
import type { ErrorCode } from '../errors.ts'

export interface Telling {
  code: ErrorCode
  /** @param place the server, at the start of a sentence; @param reason what the server or system said */
  sentence: (place: string, reason: string) => string
  hint: string | ((reason: string) => string)
}

const unreachable: Telling = {
  code: 'DATABASE_UNAVAILABLE',
  sentence: (place, reason) => `${place} cannot be reached: ${reason}.`,
  hint: 'Check DATABASE_URL and that the server is running.',
}
const starting: Telling = {
  code: 'DATABASE_UNAVAILABLE',
  sentence: (place) => `${place} is starting or shutting down.`,
  hint: 'Try again in a moment; --patience 5m waits longer.',
}
const refusedLogin: Telling = {
  code: 'DATABASE_DENIED',
  sentence: (place, reason) => `${place} refused the login: ${reason}.`,
  hint: 'Check user, password and sslmode in DATABASE_URL, or the password file.',
}
const refusedSetting: Telling = {
  code: 'DATABASE_DENIED',
  sentence: (place, reason) => `${place} refused a setting of the connection: ${reason}.`,
  hint: 'Correct options and the like in DATABASE_URL. A pooler passes few of them on: set those for the role, as by ALTER ROLE … SET search_path = ….',
}
const notMigrated: Telling = {
  code: 'DATABASE_NOT_MIGRATED',
  sentence: (_, reason) => `The database lacks a table or column: ${reason}.`,
  hint: 'Run rmbg migrate, with the same DATABASE_URL.',
}
const lacksObject: Telling = {
  code: 'DATABASE_NOT_MIGRATED',
  sentence: (_, reason) => `The database lacks what this program calls: ${reason}.`,
  hint: 'Run rmbg migrate. If it is of pg_trgm or pgcrypto, add the schema of that extension to search_path.',
}
const untrusted: Telling = {
  code: 'DATABASE_DENIED',
  sentence: (place, reason) => `The certificate of ${lowerFirst(place)} is not trusted: ${reason}.`,
  hint: 'Name the file of its authority in sslrootcert or NODE_EXTRA_CA_CERTS, or correct the host in DATABASE_URL.',
}
const noEncryption: Telling = {
  code: 'DATABASE_DENIED',
  sentence: (place, reason) => `No encrypted connection to ${lowerFirst(place)} came about: ${reason}.`,
  hint: 'Check sslcert, sslkey and sslpassword, and the TLS versions of both sides.',
}
const noDatabase: Telling = {
  code: 'DATABASE_DENIED',
  sentence: (place) => `${place} has no database of that name.`,
  hint: 'Create it, or correct DATABASE_URL.',
}
const schemaMissing: Telling = {
  code: 'DATABASE_ERROR',
  sentence: (_, reason) => `The schema of this connection is not in the database: ${reason}.`,
  hint: 'CREATE SCHEMA …, or correct schema or search_path in DATABASE_URL.',
}
const statementGone: Telling = {
  code: 'DATABASE_ERROR',
  sentence: (_, reason) => `A prepared statement is not where it was made: ${reason}.`,
  hint: 'A pooler in transaction mode stands before the server: add pgbouncer=true to DATABASE_URL.',
}
const wrongCharacter: Telling = {
  code: 'DATABASE_ERROR',
  sentence: (_, reason) => `The database cannot store a character: ${reason}.`,
  hint: 'A database with the encoding UTF8 stores every character of a name.',
}
const inUse: Telling = {
  code: 'DATABASE_ERROR',
  sentence: (_, reason) => `Something of the database is in use by others: ${reason}.`,
  hint: 'Try again when they are done; rmbg health shows who is connected.',
}
const outOfResources: Telling = {
  code: 'DATABASE_ERROR',
  sentence: (place, reason) => `${place} has no memory or room left for this: ${reason}.`,
  hint: 'Look at its memory, disk and limits, and run the command again.',
}
const damaged: Telling = {
  code: 'DATABASE_ERROR',
  sentence: (_, reason) => `The database found damage in its own data: ${reason}.`,
  hint: 'Look at the log of the server and its disks. A damaged index is rebuilt by REINDEX; a table comes from a backup.',
}

/** By SQLSTATE, or the code of a system or driver error. */
const byCode: Record<string, Telling> = {
  ECONNREFUSED: unreachable,
  ECONNRESET: unreachable,
  EPIPE: unreachable,
  ENOTFOUND: unreachable,
  EAI_AGAIN: unreachable,
  ETIMEDOUT: unreachable,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  ENOENT: unreachable, // a socket file
  CONNECT_TIMEOUT: unreachable,
  CONNECTION_CLOSED: unreachable,
  CONNECTION_ENDED: unreachable,
  CONNECTION_DESTROYED: unreachable,
  EACCES: {
    code: 'DATABASE_DENIED',
    sentence: (place, reason) => `${place} may not be asked: ${reason}.`,
    hint: 'Check who may use its socket.',
  },
  SERVER_WITHOUT_TLS: {
    code: 'DATABASE_DENIED',
    sentence: (place) => `${place} speaks no TLS, and sslmode asks for it.`,
    hint: 'Switch ssl on in the server. On a network that nobody else can listen to, sslmode=prefer goes without.',
  },
  SASL_SIGNATURE_MISMATCH: {
    code: 'DATABASE_DENIED',
    sentence: (place) => `${place} did not prove that it knows the password, as a server must.`,
    hint: 'Check the host in DATABASE_URL: it may be another server.',
  },
  // `options` with what is no setting.
  '42601': {
    code: 'DATABASE_ERROR',
    sentence: (_, reason) => `The database does not understand a statement or an option: ${reason}.`,
    hint: 'Check options in DATABASE_URL, and that the server is PostgreSQL 12 or newer.',
  },
  '57P01': starting,
  '57P02': starting,
  '57P03': starting,
  '57P04': {
    code: 'DATABASE_ERROR',
    sentence: () => 'The database was dropped in the middle of this.',
    hint: 'Restore it from a backup, or correct DATABASE_URL.',
  },
  // An idle session is ended, and the next question opens another one.
  '57P05': unreachable,
  '25P03': unreachable,
  '42P01': notMigrated,
  '42703': notMigrated,
  '42883': lacksObject,
  '42704': lacksObject,
  '42P05': statementGone,
  '42501': {
    code: 'DATABASE_DENIED',
    sentence: (_, reason) => `The database role lacks a right: ${reason}.`,
    hint: (reason) => `${grantFor(reason)} Or use another role in DATABASE_URL.`,
  },
  '53300': {
    code: 'DATABASE_UNAVAILABLE',
    sentence: (place) => `${place} has no connection left to give.`,
    hint: 'Close other clients, lower DATABASE_CONNECTIONS of each, or raise max_connections.',
  },
  '53100': {
    code: 'DATABASE_ERROR',
    sentence: () => 'The disk of the database is full.',
    hint: 'Make room there and run the command again.',
  },
  '3D000': noDatabase,
  '25006': {
    code: 'DATABASE_DENIED',
    sentence: () => 'The database is read-only.',
    hint: 'Point DATABASE_URL at the primary server, or name all of them with target_session_attrs=read-write.',
  },
  '55P03': {
    code: 'DATABASE_ERROR',
    sentence: () => 'A table is locked by somebody else, and waiting for it was given up.',
    hint: 'rmbg health shows who holds it.',
  },
  '57014': {
    code: 'DATABASE_ERROR',
    sentence: (_, reason) => `The database cancelled a statement: ${reason}.`,
    hint: 'Look at statement_timeout and at what blocks it: rmbg never needs long.',
  },
  '22P05': wrongCharacter,
  '22021': wrongCharacter,
  '2200H': {
    code: 'DATABASE_ERROR',
    sentence: (_, reason) => `A sequence of the database is used up: ${reason}.`,
    hint: 'rmbg migrate gives unused numbers of tags back; of another sequence, raise its type or its start.',
  },
}

/** By the class of an SQLSTATE: its first two characters. */
const byClass: Record<string, Telling> = {
  '08': unreachable,
  '22': {
    code: 'DATABASE_ERROR',
    sentence: (_, reason) => `The database does not take a value: ${reason}.`,
    hint: 'Check what you gave: a number, a date or a text may be out of its range.',
  },
  '26': statementGone,
  '28': refusedLogin,
  '3F': schemaMissing,
  '40': {
    code: 'DATABASE_ERROR',
    sentence: (_, reason) => `Others changed the same rows again and again: ${reason}.`,
    hint: 'Run the command again when fewer of them are at work.',
  },
  '42': {
    code: 'DATABASE_ERROR',
    sentence: (_, reason) => `The database does not fit this program: ${reason}.`,
    hint: 'Run rmbg migrate --status, and look whether something else uses the same names in this schema.',
  },
  '53': outOfResources,
  '54': outOfResources,
  '55': inUse,
  '57': {
    code: 'DATABASE_ERROR',
    sentence: (_, reason) => `An administrator or the server ended this: ${reason}.`,
    hint: 'Look at the log of the server, and run the command again.',
  },
  '58': {
    code: 'DATABASE_ERROR',
    sentence: (place, reason) => `${place} failed at a file or a program of its own: ${reason}.`,
    hint: 'Look at its log and disks.',
  },
  XX: damaged,
}

/** Codes of OpenSSL's verification, as Node gives them. */
const certificateCode =
  /^(CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|OUT_OF_MEM|ERROR_IN_)/
const tlsCode = /^(ERR_SSL_|ERR_OSSL_|ERR_TLS_|EPROTO$)/

/** @returns undefined for what nobody foresaw */
export function tellingOf(code: string, reason: string): Telling | undefined {
  // PgBouncer 1.18 says everything with this code of a broken protocol.
  if (code === '08P01' && /startup parameter/.test(reason)) return refusedSetting
  if (/^(42704|22023|42602)$/.test(code) && /(configuration )?parameter "/.test(reason)) return refusedSetting
  if (code === '08P01' && /no such database|database .* does not exist/.test(reason)) return noDatabase
  if (code === '08P01' && /no such user|auth/.test(reason)) return refusedLogin
  const known = byCode[code]
  if (known) return known
  if (certificateCode.test(code)) return untrusted
  if (tlsCode.test(code)) return noEncryption
  return /^[0-9A-Z]{5}$/.test(code) ? byClass[code.slice(0, 2)] : undefined
}

/** The statement that would help. Its owner or a superuser runs it. */
function grantFor(reason: string): string {
  const [, extension] = /create extension "?(\w+)/.exec(reason) ?? []
  if (extension !== undefined)
    return `A superuser runs CREATE EXTENSION ${extension} in it, or GRANT CREATE ON DATABASE … TO the role (PostgreSQL 13).`
  if (/create database/.test(reason)) return 'A superuser runs ALTER ROLE … CREATEDB.'
  const [, kind, name] =
    /permission denied for (table|relation|view|sequence|schema|function|database) (\S+)/.exec(reason) ?? []
  const rights: Record<string, string> = {
    table: 'SELECT (to write: INSERT, UPDATE, DELETE) ON TABLE',
    relation: 'SELECT (to write: INSERT, UPDATE, DELETE) ON TABLE',
    view: 'SELECT ON',
    sequence: 'USAGE, SELECT ON SEQUENCE',
    schema: 'USAGE (to migrate: CREATE) ON SCHEMA',
    function: 'EXECUTE ON FUNCTION',
    database: 'CONNECT (to migrate: CREATE) ON DATABASE',
  }
  if (kind !== undefined && rights[kind] !== undefined)
    return `Its owner runs GRANT ${rights[kind]} ${name} TO the role.`
  if (/must be owner/.test(reason)) return 'Let the role that migrated the database do this.'
  return 'Grant it.'
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)
