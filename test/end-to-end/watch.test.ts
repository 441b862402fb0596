/** `rmbg watch`: a real folder, a real process. */
import { appendFile, copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { finished, jsonLines, start } from '../support/cli.ts'
import { freshWorkspace, type Workspace } from '../support/fixture-workspace.ts'
import { picture } from '../support/images.ts'

/** Starts watching, and gives the events so far. */
function watching({ folder, home }: Workspace, ...args: string[]) {
  const run = start(['watch', ...args, '--settle', '1s', '--json'], {
    cwd: folder,
    env: { RMBG_HOME: home },
  })
  onTestFinished(() => void run.kill('SIGKILL'))
  let text = ''
  run.stdout!.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const events = () => jsonLines(text.slice(0, text.lastIndexOf('\n') + 1))
  const images = (status: string) =>
    events()
      .filter((event) => event.type === 'image' && event.status === status)
      .map(({ input }) => input)
      .sort()
  const until = (what: () => unknown) => expect.poll(what, { timeout: 60_000 })
  return {
    events,
    images,
    until,
    begun: () => until(() => events().some(({ code }) => code === 'watching')).toBe(true),
    end: async (signal: NodeJS.Signals = 'SIGINT') => {
      run.kill(signal)
      const { status, stderr } = await finished(run)
      expect(status, stderr).toBe(0)
      return events().at(-1)!
    },
  }
}

describe('rmbg watch', () => {
  it('does what is there, then what comes: copied slowly, many at once, moved in, and never its own cut-outs', async () => {
    const workspace = await freshWorkspace()
    const at = (path: string) => join(workspace.folder, path)
    const watch = watching(workspace, 'photos', '-o', 'photos/cutouts')
    await watch.until(() => watch.images('completed')).toHaveLength(3)
    const slow = await picture(7).png().toBuffer()
    await writeFile(at('photos/slow.png'), '')
    for (let part = 0; part < 8; part++) {
      const size = Math.ceil(slow.length / 8)
      await appendFile(at('photos/slow.png'), slow.subarray(part * size, (part + 1) * size))
      await sleep(250)
    }
    const many = Array.from({ length: 12 }, (_, index) => `photos/many/${index}.jpg`)
    await mkdir(at('photos/many'))
    await Promise.all(
      many.map(async (path, index) =>
        picture(20 + index)
          .jpeg()
          .toFile(at(path)),
      ),
    )
    await picture(50).jpeg().toFile(at('outside.jpg'))
    await rename(at('outside.jpg'), at('photos/moved.jpg'))
    await writeFile(at('photos/broken.jpg'), 'no picture at all')
    await writeFile(at('photos/gone.jpg'), 'here for a moment')
    await rm(at('photos/gone.jpg'))
    await watch.until(() => watch.images('completed')).toHaveLength(3 + 1 + 12 + 1)
    await watch.until(() => watch.images('failed')).toEqual(['photos/broken.jpg'])
    // What failed is tried again when it changes.
    await copyFile(at('photos/many/3.jpg'), at('photos/broken.jpg'))
    await watch.until(() => watch.images('skipped')).toEqual(['photos/broken.jpg'])
    // A cut-out that is put among the pictures is known by its content.
    await copyFile(at('photos/cutouts/cup.jpg.png'), at('photos/a-cutout.png'))
    await picture(60).jpeg().toFile(at('photos/last.jpg'))
    await watch.until(() => watch.images('completed')).toContain('photos/last.jpg')
    const summary = await watch.end()
    expect(summary).toMatchObject({
      type: 'summary',
      completed: 18,
      skipped: 1,
      failed: 1,
      interrupted: false,
    })
    expect(watch.events().filter(({ type }) => ['start', 'summary', 'model'].includes(type))).toHaveLength(3)
    const rows = await workspace.rows()
    expect(rows.filter(({ status }) => status === 'completed')).toHaveLength(18)
  })

  it('survives a restart: what came meanwhile is done at the start, and nothing twice', async () => {
    const workspace = await freshWorkspace()
    const at = (path: string) => join(workspace.folder, path)
    await rm(at('photos/summer'), { recursive: true })
    await rm(at('photos/cup.png'))
    const first = watching(workspace, 'photos', '--output', 'photos/cutouts')
    await first.until(() => first.images('completed')).toEqual(['photos/cup.jpg'])
    await first.end('SIGTERM')
    await picture(31).jpeg().toFile(at('photos/while-off.jpg'))
    const second = watching(workspace, 'photos', '--output', 'photos/cutouts')
    await second.until(() => second.images('completed')).toEqual(['photos/while-off.jpg'])
    expect(await second.end()).toMatchObject({ completed: 1, skipped: 1, failed: 0 })
    expect((await readdir(at('photos/cutouts'))).sort()).toEqual(['cup.png', 'while-off.png'])
    expect(await workspace.rows()).toHaveLength(2)
  })

  it('watches an empty folder, also by polling, and refuses what is none', async () => {
    const workspace = await freshWorkspace()
    const at = (path: string) => join(workspace.folder, path)
    await mkdir(at('inbox'))
    const watch = watching(workspace, 'inbox', '--poll', '-o', 'out')
    await watch.begun()
    await picture(8).jpeg().toFile(at('inbox/new.jpg'))
    await watch.until(() => watch.images('completed')).toEqual(['inbox/new.jpg'])
    await watch.end()
    expect((await readFile(at('out/new.png'))).length).toBeGreaterThan(0)
    const file = await workspace.run('watch', 'photos/cup.jpg')
    expect(file).toMatchObject({ status: 2, stderr: expect.stringContaining('cup.jpg is no folder.') })
    const loop = await workspace.run('watch', 'photos', '-o', 'photos')
    expect(loop).toMatchObject({ status: 2, stderr: expect.stringContaining('a folder that rmbg writes to') })
  })
})
