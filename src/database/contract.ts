import type { Readable } from 'node:stream'
import type postgres from 'postgres'
import type { DatabaseLocale } from './database-locale.ts'
import type { OwnObjects } from './own-objects.ts'

/**
 * A database that holds the log of jobs: a PostgreSQL server, or an embedded one. Both speak SQL through
 * the same client, so each query is written once; the members below are what they do differently.
 */
export type Database = ServerDatabase | EmbeddedDatabase

/** Things that only one process at a time may do with a database. */
export type LockName = 'prune' | 'backup'

interface CommonDatabase {
  sql: postgres.Sql
  /** For people and logs; never holds a password. */
  location: string
  /**
   * Which database this is, in words that a copy of it elsewhere does not share: `server/<system identifier>/<oid>` or
   * `embedded/<inode>`. What cannot be known is `?`.
   *
   * @throws RmbgError of family `database`
   */
  origin(): Promise<string>
  /** Formats of dumps that `restore` reads. */
  restores: readonly DumpFormat[]
  /**
   * Writes acknowledged changes to disk and updates statistics, where no server does that by itself.
   *
   * @throws RmbgError of family `database`
   */
  flush(): Promise<void>
  /**
   * Makes sure that one process at a time does a thing with this database. The lock ends with the process.
   *
   * @returns releases it; undefined when another process has it
   */
  tryLock(name: LockName): Promise<(() => Promise<void>) | undefined>
  /**
   * Makes sure that no other process uses an embedded database from here on, until this one ends. A server keeps its
   * sessions apart by itself.
   *
   * @throws RmbgError DATABASE_LOCKED when another process uses it
   */
  useAlone(): Promise<void>
  /** Opens a session that sees the database as it is now and none of the later changes. */
  openSnapshot(): Promise<Snapshot>
  /**
   * Restores a dump, in a format that it `restores`, into this database, which must be empty. All or nothing.
   *
   * @throws RmbgError DATABASE_ERROR
   */
  restore(dump: Dump): Promise<void>
  /**
   * Looks whether `openScratch` would work and its copy fit, before hours are spent on what it is to try.
   *
   * @returns what it takes on the disk of the database, in bytes, and what is free there where that can be seen
   * @throws RmbgError DATABASE_DENIED when the role may not create databases
   */
  checkScratch(): Promise<ScratchRoom>
  /**
   * Makes an empty database of the same kind, next to this one, for a trial; it writes and sorts text as this one does.
   * Closing it removes it. What an earlier,
   * killed process left behind is removed first, so only the holder of the `backup` lock may ask.
   *
   * @throws RmbgError DATABASE_DENIED when the role may not create databases
   */
  openScratch(): Promise<Database>
  close(): Promise<void>
}

export interface ServerDatabase extends CommonDatabase {
  kind: 'server'
}

/** PGlite in this process, or in another one of the same user. */
export interface EmbeddedDatabase extends CommonDatabase {
  kind: 'embedded'
}

/** `custom` is an archive of pg_dump -Fc, for servers; `plain` is SQL that PostgreSQL 12 and newer and PGlite restore. */
export type DumpFormat = 'custom' | 'plain'

export interface ScratchRoom {
  needed: number
  free: number | undefined
}

/** What a dump of a server needs to be restored elsewhere. */
export interface DumpNeeds extends OwnObjects {
  locale: DatabaseLocale
}

export interface Dump {
  format: DumpFormat
  /** Missing where a dump may hold more than the program's own objects: earlier releases dumped whole databases. */
  needs?: DumpNeeds | undefined
  /** Also who may do what. */
  grants: boolean
  /** Major release of the PostgreSQL it was taken of. */
  version: number
  /** From the beginning; called up to twice. */
  open(): Promise<Readable>
}

export interface Snapshot {
  /** Reads in the transaction of the snapshot. */
  connection: postgres.Sql
  /** When the database was as it is in here, by its own clock. */
  createdAt: Date
  /** Major release of PostgreSQL. */
  version: number
  /** Of the dump. */
  format: DumpFormat
  /** Undefined for an embedded database: its dump needs nothing but the extensions that it creates. */
  needs?: DumpNeeds
  /** Dumps the program's own objects as the snapshot sees them. The stream fails when the dump does. */
  dump(): Promise<Readable>
  close(): Promise<void>
}
