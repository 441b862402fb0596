import { chmod, mkdir, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { inspectSource, maxFileBytes, sourceAtHand } from '../../src/process/source.ts'
import { pathOf } from '../../src/system/file-names.ts'
import { root, temporaryFolder } from '../support/cli.ts'

const sample = join(root, 'samples/side-by-side.jpg')

describe('a source at hand', () => {
  it('is what a patient look finds', async () => {
    const { path, size, mtimeNs } = await inspectSource(sample)
    expect(sourceAtHand(sample)).toMatchObject({ path, size, mtimeNs })
  })

  it('is known to the log by the name that is given', () => {
    expect(sourceAtHand(sample, 'photo.jpg')?.path).toBe('photo.jpg')
  })

  it('is read byte for byte after its header, and again after it was given back', async () => {
    const file = join(await temporaryFolder(), 'small.bmp')
    const bytes = bmp()
    await writeFile(file, bytes)
    const source = sourceAtHand(file)!
    expect(await source.header({ maxPixels: 100, allowSvg: false })).toMatchObject({ width: 1, height: 1 })
    expect(Buffer.from(await source.read())).toEqual(bytes)
    await source.release?.()
    expect(Buffer.from(await source.read())).toEqual(bytes)
  })

  it('that changed since then is refused', async () => {
    const file = join(await temporaryFolder(), 'changing.jpg')
    await writeFile(file, 'before')
    const source = sourceAtHand(file)!
    await utimes(file, 1, 1)
    await expect(source.read()).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
  })

  it('may have a name that is not UTF-8', async () => {
    const folder = await temporaryFolder()
    const name = Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9]), Buffer.from('.jpg')])
    await writeFile(name, 'x')
    expect(sourceAtHand(pathOf(name))).toMatchObject({ path: `${folder}/caf%E9.jpg`, size: 1 })
  })

  it.skipIf(process.platform === 'win32')(
    'is a plain file; of anything else the patient look tells',
    async () => {
      const folder = await temporaryFolder()
      const at = (name: string) => join(folder, name)
      await mkdir(at('folder.jpg'))
      await writeFile(at('empty.jpg'), '')
      await writeFile(at('large.jpg'), '')
      await truncate(at('large.jpg'), maxFileBytes + 1)
      await symlink(at('loop.jpg'), at('loop.jpg'))
      await writeFile(at('closed.jpg'), 'x')
      await chmod(at('closed.jpg'), 0)
      for (const [name, code] of [
        ['folder.jpg', 'INPUT_IS_FOLDER'],
        ['empty.jpg', 'INPUT_EMPTY'],
        ['large.jpg', 'INPUT_TOO_LARGE'],
        ['loop.jpg', 'INPUT_UNREADABLE'],
        ['missing.jpg', 'INPUT_NOT_FOUND'],
        ['empty.jpg/below.jpg', 'INPUT_NOT_FOUND'],
      ] as const) {
        expect(sourceAtHand(at(name))).toBeUndefined()
        await expect(inspectSource(at(name))).rejects.toMatchObject({ code })
      }
      expect(sourceAtHand(at('closed.jpg'))).toBeUndefined()
      expect(sourceAtHand('/dev/null')).toBeUndefined()
    },
  )
})

/** One pixel. */
function bmp(): Buffer {
  const bytes = Buffer.alloc(58)
  bytes.write('BM')
  bytes.writeUInt32LE(58, 2)
  bytes.writeUInt32LE(54, 10)
  bytes.writeUInt32LE(40, 14)
  bytes.writeInt32LE(1, 18)
  bytes.writeInt32LE(1, 22)
  bytes.writeUInt16LE(1, 26)
  bytes.writeUInt16LE(24, 28)
  return bytes
}
