/** `rmbg process` as it runs in production: PostgreSQL and an S3-compatible store, crashes included. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanEnvironment, jsonLines, program, rmbg, start } from '../support/cli.ts'
import { describeServers, freshInstallation, type Installation } from '../support/fixture-installation.ts'
import { brokenFiles, picture, writeMixedFiles } from '../support/images.ts'
import { expectInvariants, jobRows } from '../support/job-rows.ts'

/** Root may read everything; without this capability it may not, like any other user. */
async function runAsOrdinaryUser(args: string[], { folder, env }: Installation) {
  const command = [process.execPath, program, ...args]
  const prefix =
    process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-dac_override,-dac_read_search', '--'] : []
  const [file, ...rest] = [...prefix, ...command]
  const result = await execa(file!, rest, {
    cwd: folder,
    env: { ...cleanEnvironment(), ...env, NO_COLOR: '1' } as Record<string, string>,
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
  return { status: result.exitCode, stdout: result.stdout, stderr: result.stderr }
}

describeServers('200 mixed images, 20 of them broken', () => {
  let installation: Installation
  beforeAll(async () => {
    installation = await freshInstallation()
    await mkdir(join(installation.folder, 'catalogue'))
    await writeMixedFiles(join(installation.folder, 'catalogue'), 180, 20)
  })
  afterAll(() => installation.close())

  it('need a migrated database, and say so', async () => {
    const { status, stderr } = await rmbg(['process', 'catalogue'], {
      cwd: installation.folder,
      env: installation.env,
    })
    expect(status).toBe(4)
    expect(stderr).toContain('rmbg migrate')
    expect(
      (await rmbg(['migrate', '--status'], { cwd: installation.folder, env: installation.env })).status,
    ).toBe(7)
    expect((await rmbg(['migrate'], { cwd: installation.folder, env: installation.env })).status).toBe(0)
    expect(
      (await rmbg(['migrate', '--status'], { cwd: installation.folder, env: installation.env })).status,
    ).toBe(0)
  })

  it('become 180 completed rows with three verified objects each, and 20 failed rows with clear sentences', async () => {
    const { status, stdout, stderr } = await runAsOrdinaryUser(['process', 'catalogue'], installation)
    expect(status, stderr).toBe(3)
    expect(stdout).toContain('180 completed, 0 skipped, 20 failed of 200')
    const rows = await expectInvariants(installation.sql, installation.store)
    expect(rows.filter((row) => row.status === 'completed')).toHaveLength(180)
    const failed = rows.filter((row) => row.status === 'failed')
    expect(failed).toHaveLength(20)
    for (const row of failed) {
      const name = Object.keys(brokenFiles).find((kind) => row.source_path.endsWith(kind))!
      expect(row.error_code, `${row.source_path}: ${row.error_message}`).toBe(brokenFiles[name]!.code)
      expect(row.error_message, row.source_path).toMatch(/^[A-Z].{10,200}\.$/)
    }
    expect((await installation.bucket.keys()).filter((key) => key.startsWith('mask/'))).toHaveLength(180)
  })

  it('run again do nothing', async () => {
    const before = await jobRows(installation.sql)
    const { status, stdout } = await runAsOrdinaryUser(['process', 'catalogue'], installation)
    expect(status).toBe(3)
    expect(stdout).toContain('0 completed, 180 skipped, 20 failed of 200')
    const after = await jobRows(installation.sql)
    expect(after.filter((row) => row.status === 'completed')).toEqual(
      before.filter((row) => row.status === 'completed'),
    )
    expect(after).toHaveLength(200)
  })
})

async function writePictures(folder: string, count: number): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (let seed = 0; seed < count; seed++) {
    await picture(seed)
      .jpeg()
      .toFile(join(folder, `${String(seed).padStart(3, '0')}.jpg`))
  }
}

describeServers('two runs over one folder at the same time', () => {
  it('do every image exactly once between them', async () => {
    const installation = await freshInstallation({ migrated: true })
    await writePictures(join(installation.folder, 'photos'), 30)
    const runs = await Promise.all(
      [1, 2].map(() =>
        rmbg(['process', 'photos', '--json'], { cwd: installation.folder, env: installation.env }),
      ),
    )
    const summaries = runs.map(({ stdout }) => jsonLines(stdout).at(-1)!)
    expect(
      runs.map(({ status }) => status),
      runs[0]!.stderr + runs[1]!.stderr,
    ).toEqual([0, 0])
    expect(summaries[0]!.completed + summaries[1]!.completed).toBe(30)
    expect(summaries.map(({ completed, skipped }) => completed + skipped)).toEqual([30, 30])
    const rows = await expectInvariants(installation.sql, installation.store)
    expect(rows.map((row) => row.status)).toEqual(Array(30).fill('completed'))
    await installation.close()
  })
})

describeServers('a run killed with SIGKILL', () => {
  it('is completed by running the same command again, nothing lost and nothing doubled', async () => {
    const installation = await freshInstallation({ migrated: true })
    await writePictures(join(installation.folder, 'photos'), 60)
    for (const delayMs of [700, 1100, 1500, 1900]) {
      const run = start(['process', 'photos'], { cwd: installation.folder, env: installation.env })
      await sleep(delayMs)
      run.kill('SIGKILL')
      await run
      const acknowledged = (await jobRows(installation.sql)).filter((row) => row.status === 'completed')
      for (const row of acknowledged) expect(row.processed_path).not.toBeNull()
    }
    const { status, stdout, stderr } = await rmbg(['process', 'photos'], {
      cwd: installation.folder,
      env: installation.env,
    })
    expect(status, stderr).toBe(0)
    expect(stdout).toContain('0 failed of 60')
    const rows = await expectInvariants(installation.sql, installation.store)
    expect(rows.map((row) => row.status)).toEqual(Array(60).fill('completed'))
    await installation.close()
  })
})

describeServers('Ctrl-C', () => {
  it('finishes what is in work, says how to go on, and leaves nothing half done', async () => {
    const installation = await freshInstallation({ migrated: true })
    await writePictures(join(installation.folder, 'photos'), 60)
    const run = start(['process', 'photos'], {
      cwd: installation.folder,
      env: installation.env,
      buffer: true,
    })
    await new Promise<void>((resolve) => run.stdout!.once('data', () => resolve()))
    run.kill('SIGINT')
    const { exitCode, stdout, stderr } = await run
    expect(exitCode, String(stderr)).toBe(130)
    expect(String(stderr)).toContain('Stopping')
    expect(String(stdout)).toContain('Run the same command again')
    const rows = await expectInvariants(installation.sql, installation.store)
    expect(rows.length).toBeLessThan(60)
    expect(rows.filter((row) => row.status !== 'completed')).toEqual([])
    expect(
      (await rmbg(['process', 'photos'], { cwd: installation.folder, env: installation.env })).status,
    ).toBe(0)
    expect((await expectInvariants(installation.sql, installation.store)).map((row) => row.status)).toEqual(
      Array(60).fill('completed'),
    )
    await installation.close()
  })

  it('twice leaves at once; SIGTERM stops in order too', async () => {
    const installation = await freshInstallation({ migrated: true })
    await writePictures(join(installation.folder, 'photos'), 30)
    const run = start(['process', 'photos'], { cwd: installation.folder, env: installation.env })
    await new Promise<void>((resolve) => run.stdout!.once('data', () => resolve()))
    run.kill('SIGINT')
    // Two signals sent in one breath arrive as one.
    await new Promise<void>((resolve) => run.stderr!.on('data', (text) => /Stopping/.test(text) && resolve()))
    run.kill('SIGINT')
    // The shell calls that 130.
    expect((await run).signal).toBe('SIGINT')
    const second = start(['process', 'photos'], { cwd: installation.folder, env: installation.env })
    await new Promise<void>((resolve) => second.stdout!.once('data', () => resolve()))
    second.kill('SIGTERM')
    expect([143, 0]).toContain((await second).exitCode)
    expect(
      (await rmbg(['process', 'photos'], { cwd: installation.folder, env: installation.env })).status,
    ).toBe(0)
    expect(await expectInvariants(installation.sql, installation.store)).toHaveLength(30)
    await installation.close()
  })
})
