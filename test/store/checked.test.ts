import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { checkingPuts } from '../../src/store/checked.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { png, testDriver } from './contract.ts'

describe('a store that checks puts', () => {
  testDriver({
    open: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'rmbg-store-'))
      return { ...checkingPuts(directoryStore(folder)), close: () => rm(folder, { recursive: true }) }
    },
  })

  it('shows a wrong body to the driver only as a stream that fails', async () => {
    const seen: (Uint8Array | Readable)[] = []
    const store = checkingPuts({
      ...directoryStore('/nowhere'),
      put: async (key, body) => {
        seen.push(body)
        const { length: size } = body instanceof Readable ? await buffer(body) : body
        return { key, size, lastModified: new Date() }
      },
    })
    const [body, other] = [randomBytes(100), png(randomBytes(100))]
    const refused = { code: 'STORE_CHECKSUM' }
    await expect(store.put('mask/a.png', body, other)).rejects.toMatchObject(refused)
    expect(seen).toHaveLength(0)
    await expect(store.put('mask/a.png', Readable.from([body]), other)).rejects.toMatchObject(refused)
    expect(seen).toHaveLength(1)
  })
})
