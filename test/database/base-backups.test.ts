import { chmod, mkdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { askTool, lookIntoArchive, parseBackupTool } from '../../src/database/health/base-backups.ts'
import { walText } from '../../src/terminal/texts/wal-text.ts'
import { temporaryFolder } from '../support/cli.ts'

/** Puts a program on the search path that prints this, for one test. */
async function program(name: string, prints: string, status = 0): Promise<void> {
  const folder = await temporaryFolder()
  const before = process.env.PATH
  await writeFile(join(folder, name), `#!/bin/sh\ncat <<'END'\n${prints}\nEND\nexit ${status}\n`)
  await chmod(join(folder, name), 0o755)
  process.env.PATH = `${folder}:${before}`
  onTestFinished(() => {
    process.env.PATH = before
  })
}

it('names the tools that can be asked', () => {
  expect(parseBackupTool('pgbackrest:main')).toEqual({ tool: 'pgbackrest', stanza: 'main' })
  expect(parseBackupTool('wal-g')).toEqual({ tool: 'wal-g' })
  expect(() => parseBackupTool('pgbackrest')).toThrow('names no program')
  expect(() => parseBackupTool('pgbackrest:a b; rm')).toThrow('names no program')
})

it('finds history files among the segments of an archive, the newest last', async () => {
  const folder = join(await temporaryFolder(), 'wal')
  await mkdir(folder)
  const history = (name: string, stop: string) => writeFile(join(folder, name), `STOP TIME: ${stop}\n`)
  await history('000000010000000000000009.00000028.backup', '2026-11-21 03:10:00 UTC')
  await history('000000010000000000000003.00000028.backup', '2026-11-14 03:10:00 UTC')
  // A zone that only the server knows: its time is that of the file.
  const local = join(folder, '00000001000000000000000C.00000028.backup')
  await writeFile(local, 'STOP TIME: 2026-11-22 05:00:00 EET\n')
  await utimes(local, new Date('2026-11-22T03:00:00Z'), new Date('2026-11-22T03:00:00Z'))
  await writeFile(join(folder, '000000010000000000000009'), '')
  const { backups } = await lookIntoArchive(folder)
  expect(backups.map(({ completedAt, firstSegment }) => [completedAt, firstSegment])).toEqual([
    ['2026-11-14T03:10:00.000Z', '000000010000000000000003'],
    ['2026-11-21T03:10:00.000Z', '000000010000000000000009'],
    ['2026-11-22T03:00:00.000Z', '00000001000000000000000C'],
  ])
  expect(await lookIntoArchive('/nowhere')).toMatchObject({
    backups: [],
    unseen: expect.stringContaining('ENOENT'),
  })
})

it('understands the lists of wal-g, of its releases with other fields too', async () => {
  await program(
    'wal-g',
    JSON.stringify([
      { backup_name: 'base_2', time: '2026-11-21T03:00:00Z', wal_file_name: '000000010000000000000009' },
      { backup_name: 'base_1', modified: '2026-11-14T03:00:00+00:00' },
    ]),
  )
  expect((await askTool({ tool: 'wal-g' })).backups).toEqual([
    { completedAt: '2026-11-14T03:00:00.000Z', firstSegment: null, foundIn: 'wal-g' },
    { completedAt: '2026-11-21T03:00:00.000Z', firstSegment: '000000010000000000000009', foundIn: 'wal-g' },
  ])
})

it('repeats what pgBackRest says of its stanza, or of its configuration', async () => {
  const tool = { tool: 'pgbackrest', stanza: 'main' } as const
  await program(
    'pgbackrest',
    '[{"name":"main","status":{"code":1,"message":"missing stanza path"},"backup":[]}]',
  )
  expect(await askTool(tool)).toMatchObject({ backups: [], unseen: 'It says: missing stanza path.' })
  await program('pgbackrest', 'ERROR: [031]: invalid option', 31)
  await expect(askTool(tool)).rejects.toMatchObject({
    code: 'DATABASE_ERROR',
    message: 'pgbackrest --stanza=main --output=json info failed: ERROR: [031]: invalid option.',
  })
})

it('says in words that WAL without a base backup restores nothing, and what a dump does', () => {
  const recovery = {
    dump: { backupId: 'b', location: '/b', createdAt: new Date(Date.now() - 5 * 3_600_000).toISOString() },
    moments: null,
    baseBackups: [{ place: 'pg_wal of the server', found: 0 }],
    running: 0,
    oldSegments: 'Nothing removes them.',
    advice: [],
  }
  const text = walText({
    ...{ level: 'warn', walLevel: 'replica', archiveMode: 'on', archiveCommand: 'cp %p /wal/%f' },
    ...{ lastArchived: null, lastArchivedAgeSeconds: null, archived: 2, failed: 0, lastFailed: null },
    ...{ recovery, problems: [], settingsToAdd: [] },
  })
  expect(text).toMatch(
    /by a dump +the moment of a dump and no other; the newest is of .* UTC \(5 hours ago\)/,
  )
  expect(text).toMatch(/by a base backup and WAL +nothing: there is no base backup/)
  expect(text).toContain('WAL is never replayed onto a restored dump.')
})
