import { describe, expect, it } from 'vitest'
import {
  exchanges,
  Incoming,
  message,
  query,
  readyOnce,
  split,
  sqlIn,
  startupMessage,
  statementMadeBy,
  statusAfter,
  sync,
  withSql,
  withStatementPrefix,
} from '../../src/database/pg-protocol.ts'

const parse = message('P', 's1\0select $1\0\0\0')
const bind = message('B', 'portal\0s1\0\0\0\0\0\0\0')
const describeIt = message('D', 'Ss1\0')
const flush = message('H')
const ready = (status: string) => message('Z', status)

describe('what a client writes', () => {
  it('is cut where a server answers', () => {
    const written = Buffer.concat([parse, describeIt, flush, bind, sync, query('select 1')])
    expect([...exchanges(written)]).toEqual([
      Buffer.concat([parse, describeIt, flush]),
      Buffer.concat([bind, sync]),
      query('select 1'),
    ])
  })

  it('is the same however it was cut on its way', () => {
    const startup = startupMessage({ user: 'postgres' })
    const written = Buffer.concat([startup, parse, describeIt, flush, bind, sync, query('select 1')])
    for (const pieceBytes of [1, 3, 7, written.length]) {
      const incoming = new Incoming()
      const seen: Buffer[] = []
      for (let at = 0; at < written.length; at += pieceBytes) {
        seen.push(...incoming.add(written.subarray(at, at + pieceBytes)))
      }
      expect(seen).toEqual([startup, ...exchanges(written.subarray(startup.length))])
    }
  })
})

describe('a prepared statement', () => {
  it('gets a prefix wherever it is named', () => {
    const renamed = [parse, bind, describeIt, message('C', 'Ss1\0')].map((part) =>
      withStatementPrefix(part, '7_'),
    )
    expect(renamed).toEqual([
      message('P', '7_s1\0select $1\0\0\0'),
      message('B', 'portal\0' + '7_s1\0\0\0\0\0\0\0'),
      message('D', 'S7_s1\0'),
      message('C', 'S7_s1\0'),
    ])
    expect(statementMadeBy(renamed[0]!)).toBe('7_s1')
  })

  it('without a name stays without, and portals keep theirs', () => {
    for (const part of [message('P', '\0select 1\0\0\0'), message('D', 'Pportal\0'), sync, query('s1')]) {
      expect(withStatementPrefix(part, '7_')).toEqual(part)
    }
  })

  it('can be given other SQL', () => {
    expect(sqlIn(parse)).toBe('select $1')
    expect(withSql(parse, 'select 2')).toEqual(message('P', 's1\0select 2\0\0\0'))
    expect(withSql(query('select 1'), 'select 2')).toEqual(query('select 2'))
  })
})

describe('an answer', () => {
  it('says what the session is in the middle of, if it is the last', () => {
    expect(statusAfter(split(Buffer.concat([message('C', 'BEGIN\0'), ready('T')])))).toBe('T')
    expect(statusAfter([message('1')])).toBeUndefined()
  })

  it('is ready once after an error', () => {
    const error = message('E', 'SERROR\0\0')
    expect(readyOnce(Buffer.concat([parse, sync]), [error, ready('I'), ready('I')])).toEqual([
      error,
      ready('I'),
    ])
    expect(readyOnce(query('x'), [error, ready('I')])).toEqual([error, ready('I')])
  })
})
