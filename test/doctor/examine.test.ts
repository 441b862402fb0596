/** What `doctor` finds, and that it changes nothing. */
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openContext } from '../../src/context.ts'
import { examine } from '../../src/doctor/examine.ts'
import { examineDisk, examineMemory } from '../../src/doctor/machine.ts'
import { resolveSettings } from '../../src/settings/settings.ts'
import { doctorText } from '../../src/terminal/texts/doctor-text.ts'
import { temporaryFolder } from '../support/cli.ts'

async function findings(home: string, env: Record<string, string> = {}) {
  const settings = await resolveSettings(
    { patience: '0' },
    { RMBG_HOME: home, RMBG_DEVICE: 'cpu', ...env },
    home,
    join(home, 'no-file'),
  )
  const context = openContext(settings)
  onTestFinished(() => context.close())
  const found = await examine(context, settings)
  return Object.fromEntries(found.map((each) => [each.name, each]))
}

describe('a machine', () => {
  it('that is new is well but for its model, and stays as it is', async () => {
    const parent = await temporaryFolder()
    const home = join(parent, 'home')
    const found = await findings(home)
    expect(Object.keys(found)).toEqual([
      'program',
      'model',
      'device',
      'memory',
      'disk',
      'database',
      'store',
      'cache',
    ])
    expect(found.program).toMatchObject({
      level: 'ok',
      summary: expect.stringMatching(
        /^rmbg-batch \d.* on Node \d.*; onnxruntime-node 1\..*, sharp 0\..*, @electric-sql\/pglite 0\./,
      ),
    })
    expect(found.model).toMatchObject({ level: 'warn', remedy: expect.stringContaining('rmbg setup') })
    expect(found.model!.summary).toContain('silhouette (auto: no better one is installed)')
    expect(found.device).toMatchObject({
      level: 'ok',
      summary: expect.stringMatching(/^cpu: [\d.]+ s for one inference/),
    })
    expect(found.database!.summary).toContain('not there yet')
    expect(found.store!.summary).toContain('not there yet')
    expect(await readdir(parent)).toEqual([])
  })

  it('says what is wrong, and what to do', async () => {
    const home = await temporaryFolder()
    await mkdir(join(home, 'models'), { recursive: true })
    await writeFile(join(home, 'models/bad.onnx'), 'no model')
    const found = await findings(home, {
      ...{ RMBG_MODEL: 'bad', REDIS_URL: 'redis://127.0.0.1:59999' },
      DATABASE_URL: 'postgres://nobody:secret@127.0.0.1:59999/none',
      ...{ S3_BUCKET: 'none', S3_ENDPOINT: 'http://127.0.0.1:59999', S3_REGION: 'us-east-1' },
    })
    expect(found.device).toMatchObject({ level: 'crit', summary: expect.stringContaining('bad.onnx') })
    expect(found.cache).toMatchObject({ level: 'warn', summary: expect.stringContaining('ECONNREFUSED') })
    expect(found.database).toMatchObject({ level: 'crit', remedy: expect.any(String) })
    expect(found.store).toMatchObject({ level: 'crit', remedy: expect.any(String) })
    expect(JSON.stringify(found)).not.toContain('secret')
    const missing = await findings(home, { RMBG_MODEL: 'isnet' })
    expect(missing.model).toMatchObject({ level: 'crit', remedy: 'Get it with: rmbg model pull isnet' })
    expect(missing.device).toBeUndefined()
  }, 60_000)

  it('without a writable home fails', async ({ skip }) => {
    skip(process.getuid?.() === 0, 'root may write everywhere')
    const home = await temporaryFolder()
    await chmod(home, 0o500)
    expect(await examineDisk(join(home, 'inner'))).toMatchObject({ level: 'crit' })
  })

  it('with too little memory for its model is warned', () => {
    expect(examineMemory({ availableBefore: 2 ** 20, usedBefore: 0 }, 2 ** 30)).toMatchObject({
      level: 'warn',
    })
    expect(examineMemory({ availableBefore: 2 ** 40, usedBefore: 0 }, 2 ** 30)).toMatchObject({ level: 'ok' })
  })
})

it('the text puts advice below what it is about, within the width', () => {
  const text = doctorText(
    [
      { name: 'disk', level: 'ok', summary: 'Room.' },
      {
        name: 'model',
        level: 'warn',
        summary: 'A small one is used, which is good for little.',
        remedy: 'Set up another.',
      },
    ],
    50,
  )
  expect(text.split('\n')).toEqual([
    'OK    disk      Room.',
    'WARN  model     A small one is used, which is good',
    '                for little.',
    '                -> Set up another.',
  ])
})
