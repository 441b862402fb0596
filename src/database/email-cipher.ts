import { createHmac } from 'node:crypto'
import { RmbgError } from '../errors.ts'

/** An e-mail address as it is kept: readable, or encrypted and findable. */
export type StoredEmail =
  | { email: string; encrypted: null; digest: null }
  | { email: null; encrypted: Buffer; digest: Buffer }

/**
 * Makes and reads e-mail addresses as they are stored. With a key an address is an OpenPGP message (RFC 4880, AES-256,
 * iterated and salted S2K) that pgcrypto's pgp_sym_decrypt() reads with the same key, and an HMAC-SHA-256 of the
 * address in lower case by which it is unique and found. Both are made here: the key never comes near the server, whose
 * logs may hold the parameters of any statement.
 */
export interface EmailVault {
  store(email: string): Promise<StoredEmail>
  /** What to look for. */
  digest(email: string): Buffer | undefined
  /** @returns undefined when this key, or no key at all, does not open it */
  open(encrypted: Uint8Array): Promise<string | undefined>
}

/** @param key RMBG_ENCRYPTION_KEY; absent: addresses stay readable */
export function emailVault(key: string | undefined): EmailVault {
  if (key === undefined) {
    return {
      store: async (email) => ({ email: checked(email), encrypted: null, digest: null }),
      digest: (email) => void checked(email),
      open: async () => undefined,
    }
  }
  // Of another kind than what encrypts: a digest must not help to guess the key's other use.
  const lookupKey = createHmac('sha256', key).update('rmbg e-mail lookup').digest()
  const digest = (email: string) =>
    createHmac('sha256', lookupKey).update(checked(email).toLowerCase()).digest()
  return {
    digest,
    store: async (email) => {
      const { createMessage, encrypt, enums } = await import('openpgp')
      const encrypted = await encrypt({
        message: await createMessage({ text: checked(email) }),
        passwords: key,
        format: 'binary',
        config: {
          // What pgcrypto of every supported release reads.
          aeadProtect: false,
          s2kType: enums.s2k.iterated,
          s2kIterationCountByte: 96, // 65,536 bytes as pgcrypto's own: the default takes 0.1 s for every address listed
          preferredSymmetricAlgorithm: enums.symmetric.aes256,
          preferredCompressionAlgorithm: enums.compression.uncompressed,
        },
      })
      return { email: null, encrypted: Buffer.from(encrypted as Uint8Array), digest: digest(email) }
    },
    open: async (encrypted) => {
      const { decrypt, readMessage } = await import('openpgp')
      try {
        const message = await readMessage({ binaryMessage: Uint8Array.from(encrypted) })
        return (await decrypt({ message, passwords: key })).data as string
      } catch {
        return undefined
      }
    },
  }
}

/** One @ with something on both sides; what is right beyond that only a mail server knows. */
function checked(email: string): string {
  const address = email.trim()
  if (/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u.test(address) && address.length <= 256) return address
  throw new RmbgError('USAGE', `${JSON.stringify(email)} is no e-mail address.`)
}
