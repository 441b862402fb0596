/** Real runs in a real terminal, and what they say to programs. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { processEvent } from '../../src/process/events.ts'
import { jsonLines, program, rmbg, root, temporaryFolder } from '../support/cli.ts'
import { freshWorkspace } from '../support/fixture-workspace.ts'
import { openScreen } from '../support/screen.ts'

/** Without what differs from run to run. */
const steady = (text: string, folder: string) =>
  text
    .replaceAll(folder, '/home/anna')
    .replace(/\d+\.\d s\b/g, '1.2 s')
    .replace(/\d+ ms\b/g, '12 ms')
    .replace(/[\d.]+ images\/s/g, '2.5 images/s')
    .replace(/^NOTICE: .*?(?=^model )/ms, 'NOTICE: …\n')

describe('rmbg process in a terminal', () => {
  it('ends in a screen that can be read, and tells a log of every stage', async () => {
    const { folder, home } = await freshWorkspace()
    await writeFile(join(folder, 'photos/empty.jpg'), '')
    const screen = openScreen(
      [process.execPath, program, 'process', 'photos', '-c', '1', '-o', 'cutouts', '--log-file', 'run.log'],
      { columns: 300, rows: 24, cwd: folder, env: { RMBG_HOME: home } },
    )
    await screen.ended()
    expect(screen.isCursorShown()).toBe(true)
    expect(steady(screen.text(), folder)).toMatchInlineSnapshot(`
      "$ rmbg
      4 images, model silhouette (auto: no better one is installed), to /home/anna/.home/store, log in embedded database in /home/anna/.home/database
      NOTICE: …
      model silhouette runs on cpu
      completed  photos/cup.jpg -> /home/anna/cutouts/cup.jpg.png  12 ms  [review: halo]
      failed     photos/empty.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      3 completed, 0 skipped, 1 failed of 4 in 1.2 s, 2.5 images/s
      Failed:
        photos/empty.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
      The cut-outs are in cutouts
      1 cut-out needs review. See why: rmbg query --needs-review
      $"
    `)
    const events = jsonLines(await readFile(join(folder, 'run.log'), 'utf8'))
    const types = events.map(({ type }) => type)
    expect(types.filter((type) => type === 'image')).toHaveLength(4)
    expect(types[0]).toBe('phase')
    expect(types.at(-1)).toBe('summary')
    const { stages, processingTimeMs } = events.find(({ status }) => status === 'completed')!
    const sum = Object.values<number>(stages).reduce((total, ms) => total + ms, 0)
    expect(sum).toBe(processingTimeMs)
    expect(stages.model).toBeGreaterThan(0)
  })
})

describe('rmbg process --json', () => {
  it('prints events of the schema that ships, in a run with everything', async () => {
    const { run, folder } = await freshWorkspace()
    const schema = JSON.parse(await readFile(join(root, 'docs/events.schema.json'), 'utf8'))
    const isEvent = new Ajv2020().compile(schema)
    await writeFile(join(folder, 'photos/empty.jpg'), '')
    await writeFile(join(folder, 'photos/layers.psd'), '8BPS')
    const first = await run('process', 'photos', '-o', 'cutouts', '--json')
    const second = await run('process', 'photos', 'cutouts/cup.jpg.png', '--json')
    const events = [...jsonLines(first.stdout), ...jsonLines(second.stdout)]
    const kinds = new Set(events.map(({ type, status }) => status ?? type))
    for (const kind of ['start', 'model', 'completed', 'failed', 'skipped', 'notice', 'summary'])
      expect(kinds).toContain(kind)
    for (const event of events) {
      expect(isEvent(event), JSON.stringify({ event, errors: isEvent.errors })).toBe(true)
      // The schema leaves room for later fields; this release has none that it does not name.
      expect(processEvent.parse(event)).toEqual(event)
    }
  })

  it.each([
    ['a flag that is not there', ['process', 'x', '--outptu', 'y', '--json'], {}, 'USAGE'],
    ['a setting that is none', ['process', 'x', '--json'], { RMBG_CONCURRENCY: 'many' }, 'CONFIG_INVALID'],
    ['a command that is not there', ['proces', 'x', '--json'], {}, 'USAGE'],
  ])('ends in an error event for %s', async (_, args, env, code) => {
    const folder = await temporaryFolder()
    const { status, stdout, stderr } = await rmbg(args, { cwd: folder, env: { RMBG_HOME: folder, ...env } })
    expect(status).toBe(2)
    const events = jsonLines(stdout)
    expect(events.at(-1)).toMatchObject({ type: 'error', code })
    expect(events).toHaveLength(1)
    expect(stderr).toMatch(/^Error: [^\n]+\n?$/)
  })
})
