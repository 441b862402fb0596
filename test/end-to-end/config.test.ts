/** Where settings come from, and a machine that does not know its user. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { cleanEnvironment, program, rmbg, temporaryFolder } from '../support/cli.ts'
import { freshWorkspace } from '../support/fixture-workspace.ts'
import { picture } from '../support/images.ts'

async function configured() {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'own/rmbg'), { recursive: true, mode: 0o700 })
  const file = join(folder, 'own/rmbg/config.json')
  const values = { databaseUrl: 'postgres://anna:s3cret@db.example/x', hfToken: 'hf_s3cret', quality: 70 }
  await writeFile(file, JSON.stringify(values), { mode: 0o600 })
  await writeFile(join(folder, 'rmbg.config.json'), '{"quality": 80, "tag": ["spring"]}')
  const env = { XDG_CONFIG_HOME: join(folder, 'own'), S3_ENDPOINT: 'http://key:s3cret@s3.example' }
  return { folder, file, run: (...args: string[]) => rmbg(args, { cwd: folder, env }) }
}

describe('rmbg config', () => {
  it('shows each setting with where it comes from, and no secret', async () => {
    const { file, run } = await configured()
    const { status, stdout } = await run('config')
    expect(status).toBe(0)
    expect(stdout).not.toContain('s3cret')
    const lines = stdout.split('\n').map((line) => line.split(/ {2,}/))
    const line = (name: string) => lines.find(([first]) => first === name)
    expect(line('databaseUrl')).toEqual(['databaseUrl', 'postgres://anna:***@db.example/x', file])
    expect(line('hfToken')).toEqual(['hfToken', '***', file])
    expect(line('s3Endpoint')).toEqual(['s3Endpoint', 'http://key:***@s3.example/', 'S3_ENDPOINT'])
    expect(line('quality')).toEqual(['quality', '80', 'rmbg.config.json'])
    expect(line('model')).toEqual(['model', 'auto', 'default'])
    expect(stdout).toContain(`Your own file: ${file}`)
  })

  it('does so in JSON', async () => {
    const { file, run } = await configured()
    const { stdout } = await run('config', '--json')
    const { userFile, settings } = JSON.parse(stdout)
    expect(userFile).toBe(file)
    expect(stdout).not.toContain('s3cret')
    expect(settings).toContainEqual({
      name: 'tag',
      value: ['spring'],
      source: 'file',
      from: 'rmbg.config.json',
      variable: 'RMBG_TAG',
    })
    expect(settings).toContainEqual({ name: 'redisUrl', source: 'none', variable: 'REDIS_URL' })
  })
})

const asNobody = 'setpriv'

describe.runIf(process.getuid?.() === 0)('a user id that has no name', () => {
  it.each([
    ['with a home', { HOME: 'there' }],
    ['without one', { HOME: undefined }],
  ])('runs every command: %s', async (_, { HOME: home }) => {
    const { folder } = await freshWorkspace()
    await picture(1, 40, 30).toFile(join(folder, 'photos/one.png'))
    const open = async (path: string) => chmod(path, 0o777)
    await open(folder)
    await open(join(folder, 'photos'))
    const run = (args: string[], env: Record<string, string> = {}) =>
      execa(asNobody, ['--reuid', '54321', '--clear-groups', process.execPath, program, ...args], {
        cwd: folder,
        env: {
          ...cleanEnvironment(),
          USER: undefined,
          LOGNAME: undefined,
          HOME: home && folder,
          RMBG_HOME: join(folder, 'data'),
          NO_COLOR: '1',
          ...env,
        } as unknown as Record<string, string>,
        extendEnv: false,
        reject: false,
        stdin: 'ignore',
      })
    const processed = await run(['process', 'photos', '--model', 'backdrop'])
    expect(processed.exitCode, processed.stderr).toBe(0)
    await run(['process', 'photos', '--model', 'backdrop', '--force'], { USER: 'ben' })
    const users = await run(['user', 'list', '--json'])
    expect(users.exitCode, users.stderr).toBe(0)
    expect(JSON.parse(users.stdout).map(({ userId }: { userId: string }) => userId)).toEqual([
      'ben',
      'uid-54321',
    ])
    for (const args of [['health'], ['backup', '--to', 'kept', '--objects']]) {
      const { exitCode, stdout, stderr } = await run(args)
      expect(exitCode, args.join(' ') + stdout + stderr).not.toBe(1)
      expect(stdout + stderr).not.toContain('ERR_SYSTEM_ERROR')
    }
  })
})
