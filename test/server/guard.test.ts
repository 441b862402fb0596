import { describe, expect, it } from 'vitest'
import { addressOf, assertGuarded, refusal } from '../../src/server/guard.ts'

const token = 'a long enough secret'
const asked = { host: '127.0.0.1:7000', origin: undefined, authorization: undefined }

describe('an address to listen at', () => {
  it.each([
    ['7000', { host: '127.0.0.1', port: 7000 }],
    ['0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
    ['localhost:7000', { host: 'localhost', port: 7000 }],
    ['[::1]:7000', { host: '::1', port: 7000 }],
    [':7000', { host: '::', port: 7000 }],
  ])('%s', (text, address) => expect(addressOf(text)).toEqual(address))

  it.each(['', 'here', '127.0.0.1', '70000', '127.0.0.1:', '::1:7000'])('is not %j', (text) => {
    expect(() => addressOf(text)).toThrow('is no address to listen at')
  })

  it.each(['0.0.0.0', '::', '10.0.0.1', 'cutouts.example.com'])(
    'of other machines (%s) needs a token',
    (host) => {
      expect(() => assertGuarded({ host, port: 1 }, undefined)).toThrow('could use the server')
      expect(() => assertGuarded({ host, port: 1 }, token)).not.toThrow()
    },
  )
})

describe('without a token', () => {
  it.each(['127.0.0.1:7000', 'localhost:7000', '[::1]:7000', '127.0.0.2'])(
    'programs are let in by %s',
    (host) => {
      expect(refusal({ ...asked, host }, undefined)).toBeUndefined()
    },
  )

  it.each(['evil.example', 'localhost.evil.example:7000', '', undefined, '127.0.0.1.evil.example'])(
    'a browser that was led here by the name %s is not (DNS rebinding)',
    (host) => expect(refusal({ ...asked, host }, undefined)).toContain('names of this machine'),
  )

  it.each(['https://evil.example', 'null', 'file://'])('a page of %s is not', (origin) => {
    expect(refusal({ ...asked, origin }, undefined)).toContain('other sites')
  })

  it('a page of this machine is', () => {
    expect(refusal({ ...asked, origin: 'http://localhost:3000' }, undefined)).toBeUndefined()
  })
})

describe('with a token', () => {
  it('whoever has it is let in, by any name', () => {
    const authorization = `Bearer ${token}`
    expect(refusal({ ...asked, host: 'cutouts.example.com', authorization }, token)).toBeUndefined()
  })

  it.each([undefined, '', 'Bearer ', 'Bearer another', `Basic ${token}`, token])(
    '%s is not',
    (authorization) => {
      expect(refusal({ ...asked, authorization }, token)).toContain('Send the token')
    },
  )
})
