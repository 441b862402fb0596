/** A store in a folder, whose objects may be of any age. */
import { createHash } from 'node:crypto'
import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { directoryStore } from '../../src/store/directory.ts'
import { temporaryFolder } from '../support/cli.ts'

export async function agedStore() {
  const folder = await temporaryFolder()
  const store = directoryStore(folder)
  const age = async (key: string, days: number) => {
    const at = new Date(Date.now() - days * 86_400_000)
    await utimes(join(folder, key), at, at)
  }
  return {
    store,
    age,
    put: async (key: string, { days = 2 } = {}) => {
      const body = Buffer.from(key)
      const sha256 = createHash('sha256').update(body).digest('hex')
      await store.put(key, body, { contentType: 'image/png', sha256 })
      await age(key, days)
    },
    keys: async () => {
      const keys: string[] = []
      for await (const { key } of store.list('')) keys.push(key)
      return keys
    },
  }
}
