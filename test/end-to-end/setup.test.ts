/** `rmbg setup` and `rmbg doctor` from the command line, and what `process` says without a good model. */
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { spawn } from '@lydell/node-pty'
import { expect, it, onTestFinished } from 'vitest'
import { darkness } from '../model/graphs.ts'
import { cleanEnvironment, jsonLines, program, rmbg, temporaryFolder } from '../support/cli.ts'
import { freshWorkspace } from '../support/fixture-workspace.ts'
import { openScreen } from '../support/screen.ts'

/** As Hugging Face: gated, for whoever has the token. */
async function hub(file: Uint8Array): Promise<string> {
  const server = createServer((request, response) => {
    if (request.headers.authorization === 'Bearer friend') return void response.end(file)
    const isKnown = request.headers.authorization !== undefined
    response.writeHead(isKnown ? 403 : 401, {
      'x-error-code': 'GatedRepo',
      'x-error-message': 'It is restricted.',
    })
    response.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

it('a fresh machine gets from the built-in model to a good one, by flags alone', async () => {
  const { run, folder, home } = await freshWorkspace()
  const env = { RMBG_HOME: home, HF_ENDPOINT: await hub(darkness(1024)), HF_HOME: join(folder, 'no-login') }
  const setup = (args: string[], token?: string) =>
    rmbg(['setup', ...args], { cwd: folder, env: { ...env, HF_TOKEN: token } })

  const first = await run('process', 'photos/cup.jpg')
  expect(first.stderr).toContain('(auto: no better one is installed)')
  expect(first.stderr).toContain('rmbg setup --model isnet --yes')

  expect(await setup([])).toMatchObject({ status: 2, stderr: expect.stringContaining('--model isnet --yes') })
  const stranger = await setup(['--model', 'rmbg-2.0:int8', '--yes'], 'stranger')
  expect(stranger).toMatchObject({ status: 6, stderr: expect.stringContaining('It is restricted') })
  expect(stranger.stderr).toContain('has not accepted the terms')
  const done = await setup(
    ['--model', 'rmbg-2.0:int8', '--yes', '--json', '--picture', 'photos/cup.png'],
    'friend',
  )
  expect(done.status, done.stderr).toBe(0)
  expect(done.stderr).toContain('CC-BY-NC-4.0')
  expect(JSON.parse(done.stdout)).toMatchObject({
    model: 'rmbg-2.0:int8',
    isDefault: true,
    provider: 'cpu',
    picture: join(folder, 'photos/cup.png'),
    cutout: join(home, 'setup/cup-rmbg-2.0-int8.png'),
  })
  expect(await readdir(join(home, 'setup'))).toEqual(['cup-rmbg-2.0-int8.png'])

  const again = jsonLines((await run('process', 'photos/cup.jpg', '--json')).stdout)
  expect(again[0]).toMatchObject({
    type: 'start',
    model: 'rmbg-2.0:int8',
    modelChoice: { reason: 'the best there is', notInstalled: [] },
  })
})

/** Runs the program on a terminal, and types an answer when it asks. */
function onTerminal(
  args: string[],
  cwd: string,
  env: Record<string, string>,
  answer: [question: RegExp, keys: string],
) {
  const [question, keys] = answer
  return new Promise<{ status: number; text: string }>((resolve) => {
    const pty = spawn(process.execPath, [program, ...args], {
      ...{ cols: 120, rows: 40, cwd },
      env: { ...cleanEnvironment(), CI: '', NO_COLOR: '1', ...env } as Record<string, string>,
    })
    let text = ''
    let isAnswered = false
    pty.onData((data) => {
      text += data
      if (isAnswered || !question.test(text)) return
      isAnswered = true
      pty.write(keys)
    })
    pty.onExit(({ exitCode }) => resolve({ status: exitCode, text }))
  })
}

it('a first run on a terminal offers a better model; "not now" and Ctrl-C are understood', async () => {
  const { folder, home } = await freshWorkspace()
  const question = /Set up a better one now\?/
  const run = (keys: string) =>
    onTerminal(['process', 'photos/cup.jpg'], folder, { RMBG_HOME: home }, [question, keys])
  const left = await run('\u0003')
  expect(left.status).toBe(130)
  const declined = await run('n\r')
  expect(declined.text).toMatch(question)
  expect(declined.status, declined.text).toBe(0)
  const later = await run('')
  expect(later.text).not.toMatch(question)
  expect(later.status, later.text).toBe(0)
})

it('a person is led through terms, token and license, and the token is never shown', async () => {
  const { folder, home } = await freshWorkspace()
  const env = {
    ...{ RMBG_HOME: home, RMBG_DEVICE: 'cpu' },
    ...{ HF_ENDPOINT: await hub(darkness(1024)), HF_HOME: join(folder, 'no-login'), HF_TOKEN: '' },
  }
  const screen = openScreen([process.execPath, program, 'setup', '--model', 'rmbg-2.0:int8'], {
    ...{ columns: 80, rows: 50, cwd: folder, env },
  })
  const answer = async (question: string, keys: string) => {
    await screen.until(question)
    screen.type(keys)
  }
  await answer('? Open that page in the browser? (Y/n)', 'n\r')
  expect(screen.text()).toContain('The terms: https://huggingface.co/briaai/RMBG-2.0')
  await answer('? Token of that account (empty: the one from before; Ctrl-C leaves):', 'stranger\r')
  await screen.until('has not accepted the terms')
  await answer('browser? (Y/n)', 'n\r')
  await screen.until(/leaves\): \*{8}\n(.*\n)+.*leaves\):$/)
  screen.type('friend\r')
  await answer('? Do you accept that? (y/N)', 'y\r')
  await screen.ended()
  const shown = screen.all()
  expect(shown).toContain('CC-BY-NC-4.0')
  expect(shown).toContain('The token is used now and kept nowhere.')
  expect(shown).toContain('rmbg-2.0:int8 is installed and works:')
  expect(shown).toContain('leaves): ******\n')
  expect(screen.written()).not.toMatch(/stranger|friend/)
})

it('doctor looks without touching anything, and ends with the worst that it found', async () => {
  const parent = await temporaryFolder()
  const env = { RMBG_HOME: join(parent, 'home'), RMBG_DEVICE: 'cpu' }
  const report = await rmbg(['doctor', '--json'], { cwd: parent, env })
  expect(report).toMatchObject({ status: 10, stderr: '' })
  const { level, findings } = JSON.parse(report.stdout)
  expect(level).toBe('warn')
  expect(findings).toContainEqual({
    ...{ name: 'model', level: 'warn', summary: expect.stringContaining('silhouette') },
    remedy: expect.stringContaining('rmbg setup'),
  })
  expect(await readdir(parent)).toEqual([])
  const broken = await rmbg(['doctor'], { cwd: parent, env: { ...env, RMBG_CONCURRENCY: 'many' } })
  expect(broken).toMatchObject({ status: 11, stdout: expect.stringMatching(/^FAIL {2}settings/) })
})
