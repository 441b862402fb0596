import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { directoryStore } from '../../src/store/directory.ts'
import { temporaryFolder } from '../support/cli.ts'
import { png, testDriver } from './contract.ts'

describe('the directory store', () => {
  testDriver({
    open: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'rmbg-store-'))
      return { ...directoryStore(folder), close: () => rm(folder, { recursive: true }) }
    },
  })

  it('is private to its owner', async () => {
    const folder = await temporaryFolder()
    const store = directoryStore(join(folder, 'store'))
    const body = Buffer.from('x')
    await store.put('mask/a.png', body, png(body))
    for (const path of ['store', 'store/mask', 'store/mask/a.png']) {
      expect((await stat(join(folder, path))).mode & 0o077, path).toBe(0)
    }
  })

  it('says which folder is in the way', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'file'), '')
    await expect(directoryStore(join(folder, 'file/store')).check()).rejects.toThrow(folder)
    await chmod(folder, 0o700)
  })

  it('shows whole objects only, when its process is killed in the middle of writing', async () => {
    const folder = await temporaryFolder()
    const module = fileURLToPath(new URL('../../src/store/directory.ts', import.meta.url))
    const code = `
      import { createHash } from 'node:crypto'
      import { directoryStore } from ${JSON.stringify(module)}
      const store = directoryStore(process.argv[1])
      const body = Buffer.alloc(3_000_000, 7)
      const sha256 = createHash('sha256').update(body).digest('hex')
      process.stdout.write('ready')
      for (let i = 0; ; i++) await store.put('mask/' + i + '.png', body, { contentType: 'image/png', sha256 })`
    const child = execa(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code, folder], {
      reject: false,
    })
    await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()))
    await new Promise((resolve) => setTimeout(resolve, 300))
    child.kill('SIGKILL')
    await child
    const store = directoryStore(folder)
    let count = 0
    for await (const { key, size } of store.list('')) {
      expect(size, key).toBe(3_000_000)
      count++
    }
    expect(count).toBeGreaterThan(0)
    expect((await readdir(join(folder, '.incoming'))).length).toBeLessThanOrEqual(1)
  })
})
