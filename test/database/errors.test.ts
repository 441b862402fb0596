import { describe, expect, it } from 'vitest'
import { databaseError } from '../../src/database/errors.ts'

describe('an error of PostgreSQL', () => {
  it.each<[code: string, message: string, sentence: string, hint: RegExp]>([
    [
      '3F000',
      'no schema has been selected to create in',
      'The schema of this connection is not in the database: no schema has been selected to create in.',
      /CREATE SCHEMA/,
    ],
    [
      '42704',
      'operator class "gin_trgm_ops" does not exist for access method "gin"',
      'The database lacks what this program calls: operator class "gin_trgm_ops" does not exist for access method "gin".',
      /search_path/,
    ],
    [
      '42883',
      'function fold_usage() does not exist',
      'The database lacks what this program calls: function fold_usage() does not exist.',
      /rmbg migrate/,
    ],
    [
      '42501',
      'permission denied for table users',
      'The database role lacks a right: permission denied for table users.',
      /GRANT SELECT \(to write: INSERT, UPDATE, DELETE\) ON TABLE users TO/,
    ],
    [
      '42501',
      'permission denied for schema public',
      'The database role lacks a right: permission denied for schema public.',
      /GRANT USAGE \(to migrate: CREATE\) ON SCHEMA public/,
    ],
    [
      '42501',
      'permission denied to create extension "pg_trgm"',
      'The database role lacks a right: permission denied to create extension "pg_trgm".',
      /CREATE EXTENSION pg_trgm.* GRANT CREATE ON DATABASE/,
    ],
    [
      '42501',
      'must be owner of table users',
      'The database role lacks a right: must be owner of table users.',
      /role that migrated/,
    ],
    [
      '42P07',
      'relation "tags" already exists',
      'The database does not fit this program: relation "tags" already exists.',
      /same names/,
    ],
    [
      '26000',
      'prepared statement "x1" does not exist',
      'A prepared statement is not where it was made: prepared statement "x1" does not exist.',
      /pgbouncer=true/,
    ],
    [
      '42P05',
      'prepared statement "x1" already exists',
      'A prepared statement is not where it was made: prepared statement "x1" already exists.',
      /pgbouncer=true/,
    ],
    [
      '55006',
      'database "x" is being accessed by other users',
      'Something of the database is in use by others: database "x" is being accessed by other users.',
      /rmbg health/,
    ],
    [
      '55P03',
      'canceling statement due to lock timeout',
      'A table is locked by somebody else, and waiting for it was given up.',
      /rmbg health/,
    ],
    [
      '22P05',
      'character with byte sequence 0xc4 0xb0 in encoding "UTF8" has no equivalent in encoding "LATIN1"',
      'The database cannot store a character: character with byte sequence 0xc4 0xb0 in encoding "UTF8" has no equivalent in encoding "LATIN1".',
      /UTF8/,
    ],
    ['22003', 'integer out of range', 'The database does not take a value: integer out of range.', /range/],
    [
      '2200H',
      'nextval: reached maximum value of sequence "tags_tag_id_seq" (2147483647)',
      'A sequence of the database is used up: nextval: reached maximum value of sequence "tags_tag_id_seq" (2147483647).',
      /rmbg migrate/,
    ],
    [
      '28000',
      'no pg_hba.conf entry',
      'The database server refused the login: no pg_hba.conf entry.',
      /sslmode/,
    ],
    [
      '53200',
      'out of memory',
      'The database server has no memory or room left for this: out of memory.',
      /memory/,
    ],
    ['57P04', 'database was dropped', 'The database was dropped in the middle of this.', /backup/],
    [
      '08P01',
      'unsupported startup parameter: search_path',
      'The database server refused a setting of the connection: unsupported startup parameter: search_path.',
      /ALTER ROLE/,
    ],
    [
      '08P01',
      'server login has been failing, try again later',
      'The database server cannot be reached: server login has been failing, try again later.',
      /running/,
    ],
    [
      'XX001',
      'invalid page in block 1',
      'The database found damage in its own data: invalid page in block 1.',
      /REINDEX/,
    ],
    [
      '08P01',
      'database "x" does not exist',
      'The database server has no database of that name.',
      /Create it/,
    ],
    [
      'CONNECT_TIMEOUT',
      'write CONNECT_TIMEOUT 127.0.0.1:5432',
      'The database server cannot be reached: it did not answer in time.',
      /running/,
    ],
  ])('%s: %s', (code, message, sentence, hint) => {
    expect(databaseError(Object.assign(new Error(message), { code }))).toMatchObject({
      message: sentence,
      hint: expect.stringMatching(hint),
    })
  })

  it('of any class that is met gets no "Set DEBUG=*"', () => {
    for (const start of ['08', '22', '26', '28', '3F', '42', '53', '54', '55', '57', '58', 'XX']) {
      const { hint } = databaseError(Object.assign(new Error('reason'), { code: `${start}999` }))
      expect(hint).not.toContain('DEBUG')
    }
  })
})
