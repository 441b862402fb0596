/** Objects that arrive damaged on a server whose checksums the SDK verifies, as on AWS. */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { crc32 } from 'node:zlib'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { s3Store } from '../../../src/store/s3/index.ts'
import { readVerified } from '../../../src/store/verified.ts'
import { sha256 } from '../contract.ts'

describe('an object whose checksum the SDK finds wrong', () => {
  const body = randomBytes(500_000)
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(body))

  async function readWhere(isDamaged: (time: number) => boolean) {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'any')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'any')
    const asked: (string | undefined)[] = []
    const server = createServer((request, answer) => {
      const { range } = request.headers
      asked.push(range)
      if (range) return void answer.writeHead(416).end()
      const sent = Buffer.from(body)
      if (isDamaged(asked.length)) sent[400_000]! ^= 1
      answer.writeHead(200, { etag: '"e"', 'x-amz-checksum-crc32': checksum.toString('base64') }).end(sent)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const store = s3Store({ bucket: 'any', endpoint, checksums: 'when_supported' })
    onTestFinished(async () => {
      await store.close()
      server.close()
      vi.unstubAllEnvs()
    })
    return { read: () => readVerified(store, 'mask/a.png', sha256(body)), asked }
  }

  it('is read again from its start', async () => {
    const { read, asked } = await readWhere((time) => time === 1)
    expect((await read()).equals(body)).toBe(true)
    expect(asked).toEqual([undefined, undefined])
  })

  it('is damaged if that is so every time', async () => {
    const { read, asked } = await readWhere(() => true)
    await expect(read()).rejects.toMatchObject({ code: 'STORE_OBJECT_DAMAGED' })
    expect(asked).toEqual(Array(8).fill(undefined))
  })
})
