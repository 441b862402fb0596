import { createHmac } from 'node:crypto'
import { RmbgError } from '../errors.ts'

/** An e-mail address as its columns hold it: readable, or encrypted and findable. */
export type EmailColumns =
  | { email: string; encrypted: null; digest: null }
  | { email: null; encrypted: Buffer; digest: Buffer }

/**
 * Turns e-mail addresses into what is stored and back. With a key an address is an OpenPGP message (RFC 4880, AES-256,
 * iterated and salted S2K) that pgcrypto's pgp_sym_decrypt() reads with the same key, and an HMAC-SHA-256 of the
 * address in lower case by which it is unique and found. Both are made here: the key never comes near the server, whose
 * logs may hold the parameters of any statement.
 */
export interface EmailCipher {
  /** @throws RmbgError USAGE when it is no address, CONFIG_INVALID when there is a key but openpgp is not installed */
  seal(email: string): Promise<EmailColumns>
  /**
   * What finds the sealed address.
   *
   * @returns undefined without a key
   * @throws RmbgError USAGE when it is no address
   */
  digest(email: string): Buffer | undefined
  /**
   * @returns undefined when this key, or no key at all, does not open it
   * @throws RmbgError CONFIG_INVALID when there is a key but openpgp is not installed
   */
  open(encrypted: Uint8Array): Promise<string | undefined>
}

type OpenPgp = typeof import('openpgp')

/**
 * @param key RMBG_ENCRYPTION_KEY; undefined: addresses stay readable
 * @param load imports openpgp, which an installation may leave out
 */
export function emailCipher(
  key: string | undefined,
  load: () => Promise<OpenPgp> = () => import('openpgp'),
): EmailCipher {
  if (key === undefined) {
    return {
      seal: async (email) => ({ email: checked(email), encrypted: null, digest: null }),
      digest: (email) => void checked(email),
      open: async () => undefined,
    }
  }
  // Not the key itself: the digests must not help to guess what decrypts.
  const lookupKey = createHmac('sha256', key).update('rmbg e-mail lookup').digest()
  const digest = (email: string) =>
    createHmac('sha256', lookupKey).update(checked(email).toLowerCase()).digest()
  const openpgp = () => load().catch((cause) => Promise.reject(absent(cause)))
  return {
    digest,
    seal: async (email) => {
      const address = checked(email)
      return { email: null, encrypted: await encrypt(await openpgp(), key, address), digest: digest(address) }
    },
    open: async (encrypted) => {
      const { decrypt, readMessage } = await openpgp()
      try {
        const message = await readMessage({ binaryMessage: Uint8Array.from(encrypted) })
        return (await decrypt({ message, passwords: key })).data as string
      } catch {
        return undefined
      }
    },
  }
}

async function encrypt(
  { createMessage, encrypt, enums }: OpenPgp,
  key: string,
  text: string,
): Promise<Buffer> {
  const message = await encrypt({
    message: await createMessage({ text }),
    passwords: key,
    format: 'binary',
    config: {
      // What pgcrypto of every supported release reads.
      aeadProtect: false,
      s2kType: enums.s2k.iterated,
      s2kIterationCountByte: 96, // 65,536 bytes, as pgcrypto itself: the default takes 0.1 s for every listed address
      preferredSymmetricAlgorithm: enums.symmetric.aes256,
      preferredCompressionAlgorithm: enums.compression.uncompressed,
    },
  })
  return Buffer.from(message as Uint8Array)
}

function absent(cause: unknown): unknown {
  if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') return cause
  return new RmbgError(
    'CONFIG_INVALID',
    'RMBG_ENCRYPTION_KEY is set, but the package openpgp is not installed.',
    { hint: 'Install it beside rmbg: npm install openpgp.', cause },
  )
}

/** One @ with something on both sides; only a mail server knows what is right beyond that. */
function checked(email: string): string {
  const address = email.trim()
  if (/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u.test(address) && address.length <= 256) return address
  throw new RmbgError('USAGE', `${JSON.stringify(email)} is not an e-mail address.`)
}
