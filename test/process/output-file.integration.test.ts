/** Whatever lies in the output folder: what is ours is kept up to date there, all else stays. */
import { randomBytes } from 'node:crypto'
import { link, lstat, mkdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { type CompletedJob, findCompletedJob } from '../../src/database/jobs.ts'
import type { Batch } from '../../src/process/contract.ts'
import { inputTest } from '../../src/process/input-files.ts'
import { foreseeOutput, placeCutout, placeMask } from '../../src/process/output-file.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { onBothDatabases } from '../database/databases.ts'
import { temporaryFolder } from '../support/cli.ts'
import { makeJob } from '../support/jobs.ts'

onBothDatabases('the place of a cut-out', (database) => {
  let folder: string
  let path: string
  let input: string
  let job: CompletedJob
  let bytes: Buffer
  let maskBytes: Buffer
  /** The cut-out and the mask of another job. */
  let older: Buffer
  let olderMask: Buffer
  beforeEach(async () => {
    folder = await temporaryFolder()
    path = join(folder, 'x.png')
    input = join(folder, 'input.jpg')
    await writeFile(input, 'a photo')
    const store = await temporaryFolder()
    const made = async () => {
      const id = await makeJob(database().sql, { store: directoryStore(store) })
      const job = (await findCompletedJob(database().sql, id))!
      const [bytes, maskBytes] = await Promise.all(
        [job.processedPath, job.maskPath].map((key) => readFile(join(store, key ?? 'not kept'))),
      )
      return { job, bytes: bytes!, maskBytes: maskBytes! }
    }
    ;({ bytes: older, maskBytes: olderMask } = await made())
    ;({ job, bytes, maskBytes } = await made())
  })

  const batch = (changes: Partial<Batch> = {}) =>
    ({
      database: database(),
      checksum: false,
      overwrite: false,
      dryRun: false,
      isInput: inputTest([{ path: input, shown: 'input.jpg', relative: 'input.jpg' }]),
      ...changes,
    }) as Batch
  const place = (changes: Partial<Batch> = {}, read: () => Promise<Uint8Array> = async () => bytes) =>
    placeCutout(batch(changes), path, { job, read, state: 'restored' })
  const content = async () => (await readFile(path)).toString('hex')

  it('that is free is taken, and not read again as long as nobody changes it', async () => {
    expect(await place()).toEqual({ path, state: 'restored' })
    expect(await content()).toBe(bytes.toString('hex'))
    const { atimeMs, mtimeMs } = await stat(path)
    expect(Math.round(mtimeMs)).toBe(job.completedAtMs)
    expect(await place()).toEqual({ path, state: 'unchanged' })
    expect((await stat(path)).atimeMs).toBe(atimeMs)
  })

  it('that holds the cut-out already is left, whatever its time', async () => {
    await writeFile(path, bytes)
    const { mtimeMs } = await stat(path)
    expect(await place()).toEqual({ path, state: 'unchanged' })
    expect((await stat(path)).mtimeMs).toBe(mtimeMs)
  })

  it('that holds another cut-out of ours gets the right one', async () => {
    await writeFile(path, older)
    expect(await foreseeOutput(batch(), path)).toEqual({ path, state: 'written' })
    expect(await place({ dryRun: true })).toEqual({ path, state: 'restored' })
    expect(await content()).toBe(older.toString('hex'))
    expect(await place()).toEqual({ path, state: 'restored' })
    expect(await content()).toBe(bytes.toString('hex'))
  })

  describe.each<[string, () => Promise<unknown>]>([
    ['a text of the same name', () => writeFile(path, 'shopping list')],
    ['an empty file', () => writeFile(path, '')],
    ['a retouched cut-out', () => writeFile(path, Buffer.concat([bytes, Buffer.from('!')]))],
    ['a retouched cut-out of the same size', () => writeFile(path, randomBytes(bytes.length))],
    [
      'an older cut-out of ours that was retouched',
      () => writeFile(path, Buffer.concat([older, Buffer.from('!')])),
    ],
    ['a link to an input', () => symlink(input, path)],
    ['a link that leads nowhere', () => symlink('nowhere', path)],
    [
      'a link to a cut-out of ours',
      async () => {
        await writeFile(join(folder, 'other.png'), older)
        await symlink('other.png', path)
      },
    ],
    ['an input under a second name', () => link(input, path)],
  ])('that is taken by %s', (what, make) => {
    beforeEach(async () => {
      await make()
    })
    const isInput = /input/.test(what)

    it('is left to it', async () => {
      const before = await lstat(path)
      const kept = { path, state: 'kept', reason: 'foreign' }
      expect(await place()).toEqual(kept)
      expect(await place({ checksum: true })).toEqual(kept)
      expect(await place({ dryRun: true })).toEqual(kept)
      expect(await foreseeOutput(batch(), path)).toEqual(kept)
      const { atimeMs: _, atime: __, ...after } = await lstat(path)
      expect(before).toMatchObject(after)
      expect(await readFile(input, 'utf8')).toBe('a photo')
    })

    it(isInput ? 'is left to it, with --overwrite too' : 'is taken with --overwrite', async () => {
      const outcome = isInput ? { path, state: 'kept', reason: 'input' } : { path, state: 'restored' }
      expect(await place({ overwrite: true, dryRun: true })).toEqual(outcome)
      expect(await place({ overwrite: true })).toEqual(outcome)
      expect(await readFile(input, 'utf8')).toBe('a photo')
      if (isInput) return
      expect(await content()).toBe(bytes.toString('hex'))
      expect((await lstat(path)).isFile()).toBe(true)
    })
  })

  it('that a folder takes is an error', async () => {
    await mkdir(path)
    await expect(place()).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE' })
  })

  it.each([
    ['a free place', async () => {}],
    ['the place of an older one', () => writeFile(path, older)],
  ])('is left to a file that comes to %s at the last moment', async (_, make) => {
    await make()
    const read = async () => {
      await writeFile(path, 'saved just now')
      return bytes
    }
    expect(await place({}, read)).toEqual({ path, state: 'kept', reason: 'foreign' })
    expect(await readFile(path, 'utf8')).toBe('saved just now')
  })

  it('is the same for two runs at the same moment', async () => {
    const states = (await Promise.all([place(), place(), place()])).map(({ state }) => state)
    expect(states).not.toContain('kept')
    expect(await content()).toBe(bytes.toString('hex'))
  })

  it('with --checksum is read even if its time is right', async () => {
    const changed = Buffer.from(bytes)
    changed[0]! ^= 1
    await writeFile(path, changed)
    await utimes(path, job.completedAtMs / 1000, job.completedAtMs / 1000)
    expect(await place()).toEqual({ path, state: 'unchanged' })
    expect(await place({ checksum: true })).toEqual({ path, state: 'kept', reason: 'foreign' })
    expect(await content()).toBe(changed.toString('hex'))
  })

  it('of a mask is that of our masks, and of nothing else', async () => {
    const mask = () => placeMask(batch(), path, { job, read: async () => maskBytes, state: 'restored' })
    const kept = { path, state: 'kept', reason: 'foreign' }
    await writeFile(path, older) // a cut-out of ours is no mask
    expect(await mask()).toEqual(kept)
    expect(await foreseeOutput(batch(), path, 'mask')).toEqual(kept)
    await writeFile(path, olderMask)
    expect(await place()).toEqual(kept)
    expect(await foreseeOutput(batch(), path, 'mask')).toEqual({ path, state: 'written' })
    expect(await mask()).toEqual({ path, state: 'restored' })
    expect(await content()).toBe(maskBytes.toString('hex'))
    expect(await mask()).toEqual({ path, state: 'unchanged' })
  })
})
