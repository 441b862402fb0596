/** Addresses where openpgp is an optional package. What pgcrypto reads: users.test.ts. */
import { describe, expect, it } from 'vitest'
import { emailCipher } from '../../src/database/email-cipher.ts'

const key = 'correct horse battery staple'
const notInstalled = () =>
  Promise.reject(Object.assign(new Error("Cannot find package 'openpgp'"), { code: 'ERR_MODULE_NOT_FOUND' }))

describe('an e-mail cipher where openpgp is not installed', () => {
  it('says how to install it when it is needed', async () => {
    const cipher = emailCipher(key, notInstalled)
    const error = {
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('openpgp is not installed'),
      hint: expect.stringContaining('npm install openpgp'),
    }
    await expect(cipher.seal('anna@example.com')).rejects.toMatchObject(error)
    await expect(cipher.open(Buffer.from('00', 'hex'))).rejects.toMatchObject(error)
  })

  it('does not need it without a key', async () => {
    const cipher = emailCipher(undefined, notInstalled)
    expect(await cipher.seal(' anna@example.com ')).toEqual({
      email: 'anna@example.com',
      encrypted: null,
      digest: null,
    })
    expect(await cipher.open(Buffer.from('00', 'hex'))).toBeUndefined()
  })

  it('hides no other failure to load it', async () => {
    const cipher = emailCipher(key, () => Promise.reject(new SyntaxError('broken')))
    await expect(cipher.seal('anna@example.com')).rejects.toThrow(SyntaxError)
  })
})

describe('an e-mail cipher', () => {
  it('opens what it sealed with the same key only', async () => {
    const { encrypted } = await emailCipher(key).seal('Anna@example.com')
    expect(encrypted).not.toBeNull()
    if (encrypted === null) return
    expect(await emailCipher(key).open(encrypted)).toBe('Anna@example.com')
    expect(await emailCipher('another key of sixteen characters').open(encrypted)).toBeUndefined()
    expect(await emailCipher(undefined).open(encrypted)).toBeUndefined()
  })
})
