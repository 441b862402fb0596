/** What is made of the program itself and shipped with it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { execa } from 'execa'
import { expect, it } from 'vitest'
import { generated } from '../../docs/generate/generate.ts'
import { root } from '../support/cli.ts'
import { completedEvent, failedEvent, modelEvent, startEvent, summaryEvent } from '../support/told-screen.ts'

it('is up to date (npm run manifest)', async () => {
  for (const [path, text] of Object.entries(await generated()))
    expect(await readFile(join(root, path), 'utf8'), path).toBe(text)
})

it('the schema accepts events, and refuses what is none', async () => {
  const schema = JSON.parse(await readFile(join(root, 'docs/events.schema.json'), 'utf8'))
  const isEvent = new Ajv2020().compile(schema)
  const events = [startEvent(1), modelEvent, completedEvent('a.jpg', 'halo'), failedEvent('b.jpg')]
  for (const event of [...events, summaryEvent({ images: 1 })]) {
    expect(isEvent(event), JSON.stringify(isEvent.errors)).toBe(true)
    expect(isEvent({ ...event, time: '2026-11-26T00:00:00Z', ofALaterRelease: 1 })).toBe(true)
  }
  expect(isEvent({ ...modelEvent, provider: undefined })).toBe(false)
  expect(isEvent({ ...completedEvent('a.jpg'), status: 'done' })).toBe(false)
})

it('the man page is one that man reads without a warning', async () => {
  const page = join(root, 'docs/rmbg.1')
  const { stdout, stderr, exitCode } = await execa('groff', ['-man', '-Tutf8', '-ww', page], {
    reject: false,
  })
  if (exitCode === undefined) return // no groff here
  expect(stderr).toBe('')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how bold begins
  const text = stdout.replace(/.\u0008|\u001b\[\d*m/g, '')
  expect(text).toMatch(/rmbg - remove the background of images/)
  expect(text).toMatch(/-o, --output DIR/)
  expect(text).toMatch(/EXIT STATUS\n\s+0\s+all done/)
})
