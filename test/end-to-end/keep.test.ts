/** `--keep`: what is stored of an image, and what that means for those who come back to it. */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { jsonLines } from '../support/cli.ts'
import { freshWorkspace, type Workspace } from '../support/fixture-workspace.ts'

/** Kinds of the stored objects. */
const storedIn = async ({ home }: Workspace) =>
  (await readdir(join(home, 'store'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name !== 'rmbg-owner.json')
    .map(({ parentPath }) => parentPath.slice(join(home, 'store').length + 1).split('/')[0])
    .sort()

describe('rmbg process --keep', () => {
  it('stores the kinds that are named, and makes an image again for who wants more than was kept', async () => {
    const workspace = await freshWorkspace()
    const images = async (...args: string[]) =>
      jsonLines((await workspace.run('process', 'photos/cup.jpg', '--json', ...args)).stdout).filter(
        ({ type }) => type === 'image',
      )
    const [image] = await images('--keep', 'processed')
    expect(image).toMatchObject({ status: 'completed', originalPath: null, maskPath: null })
    expect(await storedIn(workspace)).toEqual(['processed'])
    const masked = await images(image!.jobId, '--from-mask', '--size', '30x30')
    expect(masked.map(({ message }) => message).sort()).toEqual([
      'No mask of this picture is stored.',
      'The mask of this job was not kept (--keep).',
    ])
    expect((await images()).map(({ status, attempt }) => ({ status, attempt }))).toEqual([
      { status: 'completed', attempt: 1 },
    ])
    expect(await storedIn(workspace)).toEqual(['mask', 'original', 'processed', 'processed'])
  })

  it('none leaves the local file as the only copy: it is made again when it is gone', async () => {
    const workspace = await freshWorkspace()
    const process = async (...args: string[]) => {
      const run = ['process', 'photos', '-o', 'cutouts', '--keep', 'none', '--json', ...args]
      return jsonLines((await workspace.run(...run)).stdout).at(-1)!
    }
    expect(await process()).toMatchObject({ completed: 3, failed: 0 })
    expect(await storedIn(workspace)).toEqual([])
    const lost = join(workspace.folder, 'cutouts/summer/cup.png')
    const bytes = await readFile(lost)
    await rm(lost)
    expect(await process('--dry-run')).toMatchObject({ planned: 1, skipped: 2 })
    expect(await process('--checksum')).toMatchObject({ completed: 1, skipped: 2, failed: 0 })
    expect(await readFile(lost)).toEqual(bytes)
    const found = await workspace.run('query', '--json', '--download', 'objects')
    expect(found.status).toBe(0)
    const { jobs, downloaded, notKept } = JSON.parse(found.stdout)
    expect(jobs).toHaveLength(4)
    for (const job of jobs) expect(job).toMatchObject({ kept: [], originalPath: null, maskPath: null })
    expect(downloaded).toEqual([])
    expect(notKept).toHaveLength(12)
  })
})
