/** The memory budget, whatever the cut-outs are encoded as. What each format takes is in FUZZ.md. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { jsonLines, rmbg } from '../support/cli.ts'
import { freshWorkspace, type Workspace } from '../support/fixture-workspace.ts'
import { isLong as long } from '../support/long-mode.ts'
import { peakMemory } from './peak-memory.ts'

const megabyte = 2 ** 20

/** @returns bytes of memory held at most, and what was told of each image */
async function run({ folder, home }: Workspace, ...args: string[]) {
  const peak = peakMemory(folder)
  const { stdout, stderr } = await rmbg(['process', '--json', '--model', 'backdrop', ...args], {
    cwd: folder,
    env: { RMBG_HOME: home, ...peak.env },
    timeout: 9 * 60_000,
  })
  const images = jsonLines(stdout).filter(({ type }) => type === 'image')
  return { peak: await peak.bytes(), images, stderr }
}

async function workspaceWithNoise(count: number, width: number, height: number): Promise<Workspace> {
  const workspace = await freshWorkspace()
  await mkdir(join(workspace.folder, 'noise'))
  const noise = { type: 'gaussian', mean: 120, sigma: 50 } as const
  for (let index = 0; index < count; index++) {
    const create = { width, height, channels: 3, background: 'white', noise } as const
    await sharp({ create }).toFile(join(workspace.folder, `noise/${index}.jpg`))
  }
  return workspace
}

/** WebP of so much noise takes a minute and a half. */
const [width, height, budget] = long ? [4000, 3000, 1000 * megabyte] : [3000, 2000, 500 * megabyte]

describe('the memory budget', () => {
  // WebP and AVIF hold a picture several times over while they encode it.
  it.each(long ? ['png', 'tiff', 'jpeg', 'webp', 'avif'] : ['webp'])(
    `is kept by pictures of ${(width * height) / 1e6} megapixels encoded as %s`,
    { timeout: 10 * 60_000 },
    async (format) => {
      const workspace = await workspaceWithNoise(3, width, height)
      const itself = await run(workspace, 'photos', '--format', format)
      const flags = ['--format', format, '--max-memory', String(budget), '--keep-hidden-color']
      const { peak, images, stderr } = await run(workspace, 'noise', ...flags, '--concurrency', '3')
      expect(
        images.map(({ status }) => status),
        stderr,
      ).toEqual(Array(3).fill('completed'))
      expect(peak - itself.peak, format).toBeLessThan(budget)
    },
  )

  it('refuses a picture that only its encoder makes too large', async () => {
    const workspace = await workspaceWithNoise(1, 3000, 2000)
    const flags = ['noise', '--max-memory', '256MB']
    expect((await run(workspace, ...flags)).images).toMatchObject([{ status: 'completed' }])
    expect((await run(workspace, ...flags, '--format', 'avif')).images).toMatchObject([
      { status: 'failed', code: 'MEMORY_BUDGET' },
    ])
  })
})
