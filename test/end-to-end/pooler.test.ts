/** `rmbg process` through a transaction pooler that gives fewer sessions than the run has connections. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import { rmbg } from '../support/cli.ts'
import { freshInstallation } from '../support/fixture-installation.ts'
import { writeMixedFiles } from '../support/images.ts'
import { expectInvariants } from '../support/job-rows.ts'
import { describeWith, pooled } from '../support/servers.ts'

describeWith('RMBG_TEST_POOLER_URL')('a run behind a transaction pooler', () => {
  it('that prepares its statements until the pooler loses one, loses no image', async () => {
    const installation = await freshInstallation()
    onTestFinished(() => installation.close())
    const database = connectServer(installation.database.url)
    await applyMigrations(database)
    await database.close()
    await mkdir(join(installation.folder, 'photos'))
    await writeMixedFiles(join(installation.folder, 'photos'), 16, 0)
    const url = pooled(installation.database.url)
    url.search = 'prepare=true'
    const { status, stdout, stderr } = await rmbg(
      ['process', 'photos', '--concurrency', '8', '--tag', 'spring'],
      {
        cwd: installation.folder,
        env: { ...installation.env, DATABASE_URL: url.href },
      },
    )
    expect(status, stderr).toBe(0)
    expect(stdout).toContain('16 completed, 0 skipped, 0 failed of 16')
    const rows = await expectInvariants(installation.sql, installation.store)
    expect(rows.filter((row) => row.status === 'completed')).toHaveLength(16)
  })
})
