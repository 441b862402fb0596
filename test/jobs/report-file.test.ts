import { appendFile, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { reportFile } from '../../src/jobs/report-file.ts'
import { temporaryFolder } from '../support/cli.ts'

const html = (text: string) => `<!doctype html>\n<html><body>${text}</body></html>\n`

describe('a report', () => {
  let path: string
  beforeEach(async () => {
    path = join(await temporaryFolder(), 'report.html')
  })
  const write = async (text: string, overwrite = false) =>
    (await reportFile(path, { overwrite })).write(html(text))

  it('replaces the one before it', async () => {
    await write('Monday, größer \ud83d\ude00')
    await write('Tuesday')
    expect(await readFile(path, 'utf8')).toMatch(
      /^<!doctype html>.*Tuesday.*<!-- rmbg report [0-9a-f]{64} -->\n$/s,
    )
  })

  it.each<[string, () => Promise<unknown>]>([
    ['a file of somebody else', () => writeFile(path, html('mine'))],
    [
      'a report that somebody changed',
      async () => {
        await write('Monday')
        await writeFile(path, (await readFile(path, 'utf8')).replace('Monday', 'Sunday'))
      },
    ],
    [
      'a report that somebody added to',
      async () => {
        await write('Monday')
        await appendFile(path, '<p>a note</p>')
      },
    ],
    ['a link', () => symlink('elsewhere.html', path)],
  ])('replaces %s only when it is told to', async (_, make) => {
    await make()
    const before = await readFile(path).catch(() => undefined)
    await expect(reportFile(path, { overwrite: false })).rejects.toMatchObject({
      code: 'USAGE',
      hint: expect.stringContaining('--overwrite'),
    })
    expect(await readFile(path).catch(() => undefined)).toEqual(before)
    await write('Tuesday', true)
    expect(await readFile(path, 'utf8')).toContain('Tuesday')
  })

  it('leaves what came while it was made', async () => {
    const report = await reportFile(path, { overwrite: false })
    await writeFile(path, 'mine')
    await expect(report.write(html('Monday'))).rejects.toMatchObject({ code: 'USAGE' })
    expect(await readFile(path, 'utf8')).toBe('mine')
  })
})
