/** Whatever stands in a flag, an argument or a name is a value: of SQL, of keys and of paths it becomes no part. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { jsonLines } from '../support/cli.ts'
import { describeServers, freshInstallation, type Installation } from '../support/fixture-installation.ts'
import { picture } from '../support/images.ts'
import { makeJob } from '../support/jobs.ts'

/** Ends whatever it could stand in, and goes on with harm. */
const harm = `x'" or 1=1; drop table image_tags; -- \\ %_$1 \${HOME} {"a":1}`

describeServers('SQL, JSON, shell and path characters', () => {
  let installation: Installation
  let jobIds: string[]
  beforeAll(async () => {
    installation = await freshInstallation({ migrated: true })
    jobIds = await Promise.all(
      ['anna', 'ben', 'ben'].map((user, index) =>
        makeJob(installation.sql, { user, ageDays: index * 300, tags: ['keep'], store: installation.store }),
      ),
    )
    // Folds what was logged until now: later ones have nothing to fold.
    await installation.run(['prune', '--user', 'nobody', '--yes'])
  })
  afterAll(() => installation.close())

  /** All rows of all tables, and all objects. */
  async function everything() {
    const [dump] = await installation.sql`
      select json_agg(json_build_array(table_name, query_to_xml(format('select * from %I order by 1', table_name), true, false, '')::text)
        order by table_name)::text as tables
      from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`
    return { tables: dump!.tables, keys: (await installation.bucket.keys()).sort() }
  }

  it.each<{ args: string[]; status: number; none?: true }>([
    { args: ['query', '--user', harm], status: 0, none: true },
    { args: ['query', '--tag', harm], status: 2 },
    { args: ['query', '--tag-like', harm], status: 0, none: true },
    { args: ['query', '--name', harm], status: 0, none: true },
    { args: ['query', '--name', '%'], status: 0, none: true },
    { args: ['query', '--name', '_*'], status: 0, none: true },
    { args: ['query', '--error', harm], status: 0, none: true },
    { args: ['query', '--error', '%'], status: 0, none: true },
    { args: ['query', '--param', `${harm}=1`, '--param', `model.name=${harm}`], status: 0, none: true },
    { args: ['query', '--param', '__proto__.polluted=1', '--param', 'constructor=1'], status: 0, none: true },
    { args: ['query', '--params', harm], status: 2 },
    { args: ['query', '--params', JSON.stringify({ [harm]: harm })], status: 0, none: true },
    { args: ['query', '--params', '{"a":"\\u0000"}'], status: 2 },
    { args: ['query', '--param', 'a="\\ud800"'], status: 2 },
    { args: ['query', '--cursor', harm], status: 2 },
    {
      args: ['query', '--cursor', Buffer.from(JSON.stringify([harm, harm, harm])).toString('base64url')],
      status: 2,
    },
    { args: ['query', '--since', harm], status: 2 },
    { args: ['query', '--until', `2026-01-01' or '1`], status: 2 },
    { args: ['query', '--larger-than', harm], status: 2 },
    { args: ['query', '--columns', harm], status: 2 },
    { args: ['query', harm], status: 2 },
    { args: ['query', '--user', harm, '--explain'], status: 0 },
    { args: ['stats', '--by', harm], status: 2 },
    { args: ['stats', '--since', harm], status: 2 },
    { args: ['tag', 'search', harm], status: 0 },
    { args: ['tag', 'list', '--after', harm], status: 0 },
    { args: ['tag', 'remove', harm, harm], status: 2 },
    { args: ['user', 'list', '--email', harm], status: 2 },
    { args: ['user', 'list', '--after', harm], status: 0 },
    { args: ['prune', '--older-than', '1d', '--user', harm, '--yes'], status: 0 },
    { args: ['prune', '--older-than', '1d', '--tag', harm, '--yes'], status: 2 },
    { args: ['prune', '--older-than', '1d', '--except-tag', harm, '--dry-run'], status: 2 },
    { args: ['prune', '--older-than', harm, '--yes'], status: 2 },
    { args: ['prune', '--older-than', '1d', '--max-share', harm, '--yes'], status: 2 },
    { args: ['orphans', '--grace', harm, '--yes'], status: 2 },
    { args: ['migrate', '--wait', harm], status: 2 },
    { args: ['restore', harm, '--into', harm], status: 2 },
  ])('in $args select nothing, change nothing and break nothing', async ({ args, status, none }) => {
    const before = await everything()
    const result = await installation.run(args)
    expect(result.status, result.stderr).toBe(status)
    expect(result.stderr).not.toMatch(/syntax error|invalid input syntax|unexpected|\bat .*:\d+:\d+/i)
    if (none) expect(result).toMatchObject({ stdout: '', stderr: 'No job matches.' })
    expect(await everything()).toEqual(before)
  })

  it('in what is stored are stored as they are', async () => {
    const [user, name, tag] = [`u${harm}`.slice(0, 64), `n${harm}`, `t${harm}`.slice(0, 64).trim()]
    expect((await installation.run(['tag', 'add', tag, jobIds[0]!])).status).toBe(0)
    expect(
      (await installation.run(['user', 'set', user, '--username', name, '--email', `"a'b"@x.example`]))
        .status,
    ).toBe(0)
    await mkdir(join(installation.folder, 'in'))
    await writeFile(join(installation.folder, 'in/cup.jpg'), await picture(1).jpeg().toBuffer())
    const { status, stderr } = await installation.run([
      ...[
        'process',
        'in',
        '--model',
        'backdrop',
        '--user',
        user,
        '--tag',
        tag,
        '--output',
        `out $(id) 'x"; ls`,
      ],
    ])
    expect(status, stderr).toBe(0)
    expect(await readdir(join(installation.folder, `out $(id) 'x"; ls`))).toEqual(['cup.png'])
    const jobs = jsonLines(
      (await installation.run(['query', '--user', user, '--tag', tag, '--ndjson'])).stdout,
    )
    expect(jobs).toMatchObject([{ userId: user, tags: [tag] }])
    expect(JSON.parse((await installation.run(['user', 'list', '--json'])).stdout)).toContainEqual(
      expect.objectContaining({ userId: user, username: name }),
    )
  })

  it('in names of files stay out of keys', async () => {
    const names = [
      'a.jpg;rm -rf',
      'b.%2e%2e%2f',
      'c.php\u001b[2J',
      'd.',
      `e.${'x'.repeat(99)}`,
      'f.jpg?versionId=1',
      'g.\u{1f600}',
      'h.JPG',
    ]
    for (const [index, name] of names.entries())
      await writeFile(join(installation.folder, name), `no picture ${index}`)
    await writeFile(join(installation.folder, 'list'), names.join('\n'))
    expect((await installation.run(['process', '--from-file', 'list', '--user', 'carol'])).status).toBe(3)
    const failed =
      await installation.sql`select original_path from image_process_jobs where user_id = 'carol'`
    expect(failed).toHaveLength(names.length)
    const key = /^original\/\d{4}\/\d\d\/\d\d\/[0-9a-f-]{36}-1\.[a-z0-9]{1,8}$/
    for (const { original_path } of failed) expect(original_path).toMatch(key)
  })

  it('in the name of a database to restore into name that one database', async () => {
    const name = `rmbg_test "x'; drop=y \\ ${jobIds[0]!.slice(-6)}`
    const backup = await installation.run(['backup', '--to', 'backups'])
    expect(backup.status, backup.stderr).toBe(0)
    const before = await everything()
    const admin = postgres(installation.database.url, { max: 1, onnotice: () => {} })
    try {
      const restored = await installation.run(['restore', 'backups', '--into', name])
      expect(restored.status, restored.stderr).toBe(0)
      expect(await admin`select datname from pg_database where datname = ${name}`).toHaveLength(1)
      expect(await everything()).toEqual(before)
    } finally {
      await admin`drop database if exists ${admin(name)}`
      await admin.end()
    }
  })

  it('and paths in rows of a tampered database reach no file', async () => {
    await installation.sql`update image_process_jobs set original_path = '../../../../etc/passwd', mask_path = '..', processed_path = 'processed/../../x'
      where job_id = ${jobIds[1]!}`
    const { status, stderr } = await installation.run(['query', jobIds[1]!, '--download', 'fetched'])
    expect(status).toBe(5)
    expect(stderr).toContain('is not a key of an object')
    const local = { S3_BUCKET: '', RMBG_HOME: join(installation.folder, 'local') }
    expect((await installation.run(['query', jobIds[1]!, '--download', 'fetched'], local)).stderr).toContain(
      'is not a key of an object',
    )
    expect((await readdir(installation.folder)).filter((name) => name.startsWith('fetched'))).toEqual([])
  })
})
