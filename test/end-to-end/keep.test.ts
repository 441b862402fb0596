/** `--keep`: what is stored of an image, and what that means for those who come back to it. */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { jsonLines } from '../support/cli.ts'
import { freshWorkspace, type Workspace } from '../support/fixture-workspace.ts'

const storedIn = async ({ home }: Workspace) =>
  (await readdir(join(home, 'store'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name !== 'rmbg-owner.json')
    .map(({ parentPath }) => parentPath.slice(join(home, 'store').length + 1).split('/')[0])
    .sort()

describe('rmbg process --keep', () => {
  it('stores the kinds that are named, and makes an image again for who wants more than was kept', async () => {
    const workspace = await freshWorkspace()
    const process = async (...args: string[]) => {
      const { status, stdout, stderr } = await workspace.run('process', 'photos/cup.jpg', '--json', ...args)
      expect(status, stderr).toBe(0)
      const events = jsonLines(stdout)
      return { image: events.find(({ type }) => type === 'image')!, summary: events.at(-1)! }
    }
    const { image } = await process('--keep', 'processed')
    expect(image).toMatchObject({ status: 'completed', originalPath: null, maskPath: null })
    expect(await storedIn(workspace)).toEqual(['processed'])
    expect((await process('--keep', 'processed')).image).toMatchObject({ status: 'skipped', maskPath: null })
    const masked = await workspace.run('process', 'photos/cup.jpg', '--from-mask', '--size', '30x30')
    expect(masked).toMatchObject({ status: 3 })
    expect(masked.stdout).toContain('No mask of this picture is stored.')
    const byId = await workspace.run('process', image.jobId, '--from-mask', '--size', '30x30')
    expect(byId.stdout).toContain('The mask of this job was not kept')
    expect((await process()).image).toMatchObject({ status: 'completed', attempt: 1 })
    expect(await storedIn(workspace)).toEqual(['mask', 'original', 'processed', 'processed'])
    expect((await process('--keep', 'mask,processed')).image.status).toBe('skipped')
  })

  it('none leaves the local file as the only copy: it is made again when it is gone', async () => {
    const workspace = await freshWorkspace()
    const process = async (...args: string[]) => {
      const run = ['process', 'photos', '-o', 'cutouts', '--keep', 'none', '--json', ...args]
      const { status, stdout, stderr } = await workspace.run(...run)
      expect(status, stderr).toBe(0)
      return jsonLines(stdout).at(-1)!
    }
    expect(await process()).toMatchObject({ completed: 3 })
    expect(await storedIn(workspace)).toEqual([])
    expect(await process()).toMatchObject({ completed: 0, skipped: 3 })
    const lost = join(workspace.folder, 'cutouts/summer/cup.png')
    const bytes = await readFile(lost)
    await rm(lost)
    expect(await process('--dry-run')).toMatchObject({ planned: 1, skipped: 2 })
    expect(await process('--checksum')).toMatchObject({ completed: 1, skipped: 2 })
    expect(await readFile(lost)).toEqual(bytes)
    expect(await process()).toMatchObject({ completed: 0, skipped: 3 })
    const { jobs } = JSON.parse((await workspace.run('query', '--json')).stdout)
    for (const job of jobs) expect(job).toMatchObject({ kept: [], originalPath: null, maskPath: null })
    const fetched = await workspace.run('query', jobs[0].jobId, '--download', 'objects')
    expect(fetched.status).toBe(0)
    expect(fetched.stderr).toContain(`left out mask of job ${jobs[0].jobId}: it was not kept`)
  })

  it('refuses to work for nothing', async () => {
    const workspace = await freshWorkspace()
    for (const keep of ['none', 'original']) {
      const { status, stderr } = await workspace.run('process', 'photos', '--keep', keep)
      expect(status).toBe(2)
      expect(stderr).toContain(`With --keep ${keep} and no --output, neither mask nor cut-out would stay.`)
    }
  })
})
