/** Disks that are full or read-only, and files that may not be read, change or vanish, under the built program. */
import { appendFile, chmod, mkdir, readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it, vi } from 'vitest'
import { cleanEnvironment, type Finished, finished, program, start } from '../support/cli.ts'
import { freshWorkspace, type Workspace } from '../support/fixture-workspace.ts'
import { ending, eventsOf } from './assert-output.ts'
import { writePictures } from './pictures.ts'
import { describeDisks, mountDisk } from './small-disk.ts'

// Nothing is timed: a busy machine may take as long as it likes.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const count = 10
const flags = ['--model', 'backdrop', '--json']
const summary = (finished: Finished) => eventsOf(finished).findLast(({ type }) => type === 'summary')!
const failures = (finished: Finished) =>
  Object.fromEntries(
    summary(finished).failures.map(({ input, code }: { input: string; code: string }) => [input, code]),
  )

async function pictures(): Promise<Workspace & { process: (...more: string[]) => Promise<Finished> }> {
  const workspace = await freshWorkspace()
  await rm(join(workspace.folder, 'photos'), { recursive: true })
  await writePictures(join(workspace.folder, 'photos'), count)
  return { ...workspace, process: (...more) => workspace.run('process', 'photos', ...flags, ...more) }
}

/** Root may write and read everywhere; without these capabilities it is as anybody else. */
async function asAnybody(workspace: Workspace, args: string[]): Promise<Finished> {
  const prefix =
    process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-dac_override,-dac_read_search', '--'] : []
  const [file, ...rest] = [...prefix, process.execPath, program, ...args]
  const { exitCode, stdout, stderr } = await execa(file!, rest, {
    cwd: workspace.folder,
    env: { ...cleanEnvironment(), NO_COLOR: '1', RMBG_HOME: workspace.home } as Record<string, string>,
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
  return { status: exitCode, stdout, stderr }
}

describeDisks('a disk', () => {
  it('that gets full under the store ends the run with a sentence; with room the same command goes on', async () => {
    const { process, rows, home } = await pictures()
    const disk = await mountDisk(join(home, 'store'), 1)
    await disk.fill(60)
    const full = await process()
    expect(full.status, full.stdout + full.stderr).toBe(5)
    expect(ending(full)).toBe(`The disk of the store in ${home}/store/ is full. [STORE_FULL]`)
    const done = summary(full).completed
    expect(done).toBeGreaterThan(0)
    expect((await rows()).filter(({ status }) => status === 'completed')).toHaveLength(done)
    expect((await process()).status, 'still full').toBe(5)

    await disk.makeRoom()
    const again = await process()
    expect(again.status, again.stderr).toBe(0)
    expect(summary(again)).toMatchObject({ failed: 0 })
    expect((await rows()).map(({ status }) => status)).toEqual(Array(count).fill('completed'))
  })

  it('that gets full under the embedded database loses nothing that was acknowledged', async () => {
    const { process, rows, folder } = await pictures()
    const home = join(folder, '.home')
    await rm(join(home, 'database'), { recursive: true })
    const disk = await mountDisk(join(home, 'database'), 64)
    expect((await process('--max-failures', '1')).status).toBe(0)
    await writePictures(join(folder, 'photos/more'), 25)
    await disk.fill(8)
    const full = await process()
    expect(full.status, full.stdout + full.stderr).toBe(4)
    expect(ending(full)).toMatch(
      /^(The disk of .+ is full\.|The embedded database stopped: .*No space left on device\.) \[DATABASE_(ERROR|UNAVAILABLE)\]$/,
    )
    expect((await process()).status, 'still full').toBe(4)
    await disk.makeRoom()
    const acknowledged = eventsOf(full).filter(({ status }) => status === 'completed')
    const kept = new Set(
      (await rows()).filter(({ status }) => status === 'completed').map((row) => row.job_id),
    )
    for (const { jobId, input } of acknowledged) expect(kept.has(jobId), input).toBe(true)
    const again = await process()
    expect(again.status, again.stderr).toBe(0)
    expect((await rows()).map(({ status }) => status)).toEqual(Array(count + 25).fill('completed'))
  })

  it('that is read-only under the store ends the run before it began', async () => {
    const { process, home, rows } = await pictures()
    const store = await mountDisk(join(home, 'store'), 8)
    expect((await process('--dry-run')).status).toBe(0)
    store.readOnly()
    const refused = await process()
    expect(refused.status).toBe(5)
    expect(ending(refused)).toBe(
      `There is no permission to write to the store in ${home}/store/ (EROFS). [STORE_DENIED]`,
    )
    store.writable()
    const again = await process()
    expect(again.status, again.stderr).toBe(0)
    expect(await rows()).toHaveLength(count)
  })

  it('that is full or read-only under --output fails the cut-outs that do not fit, and these only', async () => {
    const { process, folder, rows } = await pictures()
    const disk = await mountDisk(join(folder, 'out'), 1)
    await disk.fill(12)
    const full = await process('-o', 'out')
    expect(full.status, full.stdout + full.stderr).toBe(3)
    expect(new Set(Object.values(failures(full)))).toEqual(new Set(['OUTPUT_UNWRITABLE']))
    expect(summary(full).failures[0].message).toMatch(
      /^The cut-out \d+\.png cannot be written to .*\/out: the disk is full\.$/,
    )
    expect(summary(full).completed).toBeGreaterThan(0)
    disk.readOnly()
    const refused = await process('-o', 'out')
    expect(refused.status).toBe(3)
    expect(summary(refused).failures[0].message).toMatch(/: the file system is read-only\.$/)
    disk.writable()
    await disk.makeRoom()
    const again = await process('-o', 'out')
    expect(again.status, again.stderr).toBe(0)
    expect(await readdir(join(folder, 'out'))).toHaveLength(count)
    expect((await rows()).map(({ status }) => status)).toEqual(Array(count).fill('completed'))
  })
})

describe('without permission', () => {
  it('an input, or a whole folder of them, fails by name and the others are made', async () => {
    const workspace = await pictures()
    await chmod(join(workspace.folder, 'photos/003.jpg'), 0)
    const finished = await asAnybody(workspace, ['process', 'photos', ...flags])
    expect(finished.status, finished.stderr).toBe(3)
    expect(failures(finished)).toEqual({ 'photos/003.jpg': 'INPUT_UNREADABLE' })
    expect(summary(finished).failures[0].message).toBe('The file may not be read (permission denied).')
    await chmod(join(workspace.folder, 'photos/003.jpg'), 0o644)
    expect((await workspace.process()).status).toBe(0)
    expect((await workspace.rows()).map(({ status }) => status)).toEqual(Array(count).fill('completed'))

    await mkdir(join(workspace.folder, 'photos/secret'))
    await chmod(join(workspace.folder, 'photos/secret'), 0)
    const closed = await asAnybody(workspace, ['process', 'photos', ...flags])
    expect(closed.status, closed.stdout + closed.stderr).toBe(3)
    expect(failures(closed)).toEqual({ 'photos/secret': 'INPUT_UNREADABLE' })
    expect(summary(closed)).toMatchObject({ skipped: count })
  })

  it('to write, store and database say so', async () => {
    const workspace = await pictures()
    await mkdir(join(workspace.home, 'store'))
    await chmod(join(workspace.home, 'store'), 0o500)
    const store = await asAnybody(workspace, ['process', 'photos', ...flags])
    expect(store.status, store.stderr).toBe(5)
    expect(ending(store)).toBe(
      `There is no permission to write to the store in ${workspace.home}/store/ (EACCES). [STORE_DENIED]`,
    )
    await chmod(join(workspace.home, 'store'), 0o700)
    await chmod(join(workspace.home, 'database/cluster'), 0o500)
    const database = await asAnybody(workspace, ['process', 'photos', ...flags])
    expect(database.status, database.stderr).toBe(4)
    ending(database)
    await chmod(join(workspace.home, 'database/cluster'), 0o700)
    expect((await workspace.process()).status).toBe(0)
  })
})

describe('a file', () => {
  it('that changes, shrinks or vanishes before its turn fails alone, and is made the next time', async () => {
    const { folder, home, process, rows } = await pictures()
    const run = start(['process', 'photos', ...flags, '--concurrency', '1'], {
      cwd: folder,
      env: { RMBG_HOME: home },
    })
    // By the first image that is done, all were looked at; stopped, the program cannot get ahead of the test.
    await new Promise<void>((resolve) =>
      run.stdout!.on('data', (text: Buffer) => text.includes('"status":"completed"') && resolve()),
    )
    run.kill('SIGSTOP')
    const photo = (index: number) => join(folder, `photos/00${index}.jpg`)
    await appendFile(photo(7), 'more')
    await truncate(photo(8), Math.floor((await stat(photo(8))).size / 2))
    await rm(photo(9))
    run.kill('SIGCONT')
    const done = await finished(run)
    expect(done.status, done.stderr).toBe(3)
    expect(failures(done)).toEqual({
      'photos/007.jpg': 'INPUT_CHANGED',
      'photos/008.jpg': 'INPUT_CHANGED',
      'photos/009.jpg': 'INPUT_NOT_FOUND',
    })
    expect(summary(done).completed).toBe(7)
    const again = await process()
    expect(failures(again)).toEqual({ 'photos/008.jpg': 'INPUT_CORRUPT' })
    expect((await rows()).filter(({ status }) => status === 'completed')).toHaveLength(8)
  })

  it('that is written to all the time is never taken half', async () => {
    const { folder, process, rows } = await pictures()
    let writing = true
    const growing = join(folder, 'photos/005.jpg')
    const writer = (async () => {
      while (writing) await appendFile(growing, 'x')
    })()
    const finished = await process()
    writing = false
    await writer
    expect(finished.status, finished.stderr).toBe(3)
    expect(failures(finished)).toEqual({ 'photos/005.jpg': 'INPUT_CHANGED' })
    await rows()
    expect((await process()).status).toBe(0)
  })
})
