/** The commands themselves, with a real bucket: what a person types, from the listing to the report. */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { expect, it } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import { cleanEnvironment, program, rmbg, temporaryFolder } from '../support/cli.ts'
import { describeServers, freshInstallation } from '../support/fixture-installation.ts'
import { picture } from '../support/images.ts'
import { freshBucket, s3Endpoint } from '../support/servers.ts'
import { fleetNode } from './fleet.ts'

it.each([['enqueue', '/photos'], ['work'], ['campaign', 'list']])(
  '%s without a server is refused, and makes no database',
  async (...args) => {
    const home = await temporaryFolder()
    const { status, stdout, stderr } = await rmbg(args, { env: { RMBG_HOME: home } })
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(
      /^Error: A fleet shares its work through a PostgreSQL server, and DATABASE_URL is not set/,
    )
    expect(await readdir(home)).toEqual([])
  },
)

describeServers('the commands of a fleet', () => {
  it.skipIf(fleetNode === undefined)(
    'enqueue a bucket and a manifest, work on both, and tell what failed',
    { timeout: 120_000 },
    async () => {
      const installation = await freshInstallation()
      const inputs = await freshBucket()
      const client = new S3Client({ endpoint: s3Endpoint!, region: 'us-east-1', forcePathStyle: true })
      for (const [index, key] of ['a/cup.jpg', 'a/cup é.jpg', 'b/mug.jpg'].entries()) {
        const Body = await picture(index).jpeg().toBuffer()
        await client.send(new PutObjectCommand({ Bucket: inputs.bucket, Key: `photos/${key}`, Body }))
      }
      const database = connectServer(installation.database.url)
      await applyMigrations(database)
      await database.close()
      const run = (...args: string[]) =>
        execa(fleetNode!, [program, ...args], {
          ...{ reject: false, extendEnv: false, cwd: installation.folder },
          env: { ...(cleanEnvironment() as Record<string, string>), ...installation.env, NO_COLOR: '1' },
        })
      const url = `s3://${inputs.bucket}/photos`
      const manifest = join(installation.folder, 'list.ndjson')
      await writeFile(manifest, `{"url":"${url}/a/cup.jpg"}\n{"url":"${url}/gone.jpg"}\nnothing\n`)
      const enqueued = await run(
        'enqueue',
        `${url}/`,
        '--manifest',
        manifest,
        '--name',
        'shop',
        '--model',
        'backdrop',
        '--json',
      )
      expect(JSON.parse(enqueued.stdout), enqueued.stderr).toMatchObject({
        campaign: 'shop',
        images: 6,
        isListed: true,
      })
      const worked = await run('work', '--drain', '--json')
      expect(worked.exitCode, worked.stderr).toBe(3)
      const shown = await run('campaign', 'show', 'shop', '--json')
      expect(JSON.parse(shown.stdout)).toMatchObject({
        ...{ state: 'done', images: 6, completed: 3, skipped: 1, failed: 2, dead: 0, remaining: 0 },
        lost: expect.arrayContaining([
          expect.objectContaining({ input: `${url}/gone.jpg`, code: 'INPUT_NOT_FOUND' }),
          expect.objectContaining({ input: `${manifest}:3`, code: 'INPUT_UNSUPPORTED' }),
        ]),
      })
      await installation.close()
    },
  )
})
