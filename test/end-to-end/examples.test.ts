/**
 * The examples of README and docs that speak of a server are run as they are printed, by a shell that has nothing of this
 * one's environment, and have to reach that server.
 */
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { program, root } from '../support/cli.ts'
import { cronCommandsIn, shellLinesIn, unitsIn } from '../support/examples-in-markdown.ts'
import { describeServers, freshInstallation, type Installation } from '../support/fixture-installation.ts'
import { makeJob } from '../support/jobs.ts'
import { freshBucket } from '../support/servers.ts'

const page = (path: string) => readFile(join(root, path), 'utf8')
const names = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md'))
const texts = await Promise.all(['README.md', ...names.map((name) => `docs/${name}`)].map(page))

describeServers('the examples', () => {
  let installation: Installation
  let places: [string, string][]
  const made = ['rmbg_restored', 'rmbg_copy'].map((name) => `${name}_${crypto.randomUUID().slice(0, 8)}`)

  beforeAll(async () => {
    installation = await freshInstallation()
    const { folder, env, database } = installation
    await mkdir(join(folder, 'bin'))
    await writeFile(join(folder, 'bin/rmbg'), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`)
    await chmod(join(folder, 'bin/rmbg'), 0o755)
    const bucket = await freshBucket()
    const backups = join(folder, 'backups')
    const settings = { ...env, RMBG_HOME: join(folder, 'home'), RMBG_BACKUP_TO: backups }
    await writeFile(
      join(folder, 'rmbg.env'),
      Object.entries(settings)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    )
    places = [
      ['/etc/rmbg.env', join(folder, 'rmbg.env')],
      ['/var/backups/rmbg', backups],
      ['s3://backups/rmbg', `s3://${bucket.bucket}/rmbg`],
      ['/var/lib/node_exporter', folder],
      ['/var/lib/rmbg', join(folder, 'home')],
      ['/usr/local/bin/', `${folder}/bin/`],
      ['postgres://rmbg@db.example/rmbg', database.url],
      ...made.map((name) => [name.slice(0, -9), name] as [string, string]),
    ]
    const migrated = await installation.run(['migrate'])
    expect(migrated.status, migrated.stderr).toBe(0)
    for (const tags of [['spring'], ['keep']])
      await makeJob(installation.sql, { store: installation.store, tags })
  })
  afterAll(async () => {
    const admin = postgres(installation.database.url, { max: 1, onnotice: () => {} })
    for (const name of made) await admin`drop database if exists ${admin(name)}`
    await admin.end()
    await installation.close()
  })

  const located = (text: string) =>
    places.reduce((located, [documented, here]) => located.replaceAll(documented, here), text)
  /** As cron and systemd do: a shell with a search path, and else with what the example says. */
  const run = async (command: string, environment: string[] = []) => {
    const path = `PATH=${installation.folder}/bin:/usr/bin:/bin`
    const args = ['-i', path, ...environment.map(located), 'sh', '-c', located(command)]
    const { exitCode, stderr, stdout } = await execa('env', args, {
      ...{ cwd: installation.folder, reject: false, stdin: 'ignore' },
    })
    return { status: exitCode, said: `${command}\n${stdout}\n${stderr}` }
  }
  /** A verdict on the server is no failure of the example. */
  const isDone = (command: string, status: number | undefined) =>
    status === 0 || (/rmbg (health|wal)/.test(command) && [10, 11, 12].includes(status ?? -1))
  const backups = async () => {
    const [row] = await installation.sql`select count(*)::int as count from backups`
    return row!.count
  }

  it('of crontabs work on the server', async () => {
    const commands = texts.flatMap(cronCommandsIn)
    expect(commands.length).toBeGreaterThan(1)
    const before = await backups()
    for (const command of commands) {
      const { status, said } = await run(command)
      expect(isDone(command, status), said).toBe(true)
    }
    expect(await backups(), 'of the server').toBe(before + 1)
    expect(await readFile(join(installation.folder, 'rmbg.prom'), 'utf8')).toContain('check="connections"')
  })

  it('of systemd are units that it accepts, whose commands work on the server', async () => {
    const units = texts.flatMap(unitsIn)
    expect(units.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['rmbg-nightly.service', 'rmbg-nightly.timer', 'rmbg-inbox.service']),
    )
    const before = await backups()
    for (const { name, text, commands, environment, environmentFiles } of units) {
      const file = join(installation.folder, name)
      await writeFile(file, located(text))
      const verify = 'command -v systemd-analyze >/dev/null || exit 0; systemd-analyze verify --man=no "$1"'
      const verified = await execa('sh', ['-c', verify, 'sh', file], { reject: false })
      expect(verified.stderr, name).not.toContain(file)
      // What watches a folder has no end.
      if (commands.some((command) => command.includes('rmbg watch'))) continue
      const settings = await Promise.all(environmentFiles.map((each) => readFile(located(each), 'utf8')))
      const variables = settings.flatMap((each) => each.split('\n')).filter((line) => line !== '')
      for (const command of commands) {
        const { status, said } = await run(command, [...environment, ...variables])
        expect(status, said).toBe(0)
      }
    }
    expect(await backups(), 'of the server').toBe(before + 1)
  })

  it('of docs/backup.md work on the server', async () => {
    // What is done with pgBackRest has a test of its own: point-in-time.test.ts.
    const lines = shellLinesIn(await page('docs/backup.md')).filter(
      (line) => !/sudo|pgbackrest|@localhost/.test(line),
    )
    expect(lines.length).toBeGreaterThan(5)
    for (const line of new Set(lines)) {
      const { status, said } = await run(`set -a; . /etc/rmbg.env; set +a; ${line}`)
      expect(isDone(line, status), said).toBe(true)
    }
  })

  it("of README's part for DBAs work on the server", async () => {
    const [, part = ''] = /^## For DBAs\n([\s\S]*?)^## /m.exec(texts[0]!) ?? []
    for (const line of shellLinesIn(part)) {
      const { status, said } = await run(`set -a; . /etc/rmbg.env; set +a; ${line}`)
      expect(isDone(line, status), said).toBe(true)
    }
  })

  it('never made an embedded database', async () => {
    expect(await readdir(join(installation.folder, 'home')).catch(() => [])).not.toContain('database')
  })
})
