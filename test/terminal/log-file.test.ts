import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openLogFile } from '../../src/terminal/printers/log-file.ts'
import { temporaryFolder } from '../support/cli.ts'
import { completedEvent, modelEvent } from '../support/told-screen.ts'

const logPath = async () => join(await temporaryFolder(), 'run.log')
const linesOf = async (path: string) => (await readFile(path, 'utf8')).trimEnd().split('\n')

describe('a log file', () => {
  it('gets a line for each event, with its time, and is for its owner alone', async () => {
    const path = await logPath()
    const log = openLogFile(path)
    log.write(modelEvent)
    log.write(completedEvent('a.jpg'))
    const lines = (await linesOf(path)).map((line) => JSON.parse(line))
    expect(lines).toEqual([
      { time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/), ...modelEvent },
      { time: expect.anything(), ...completedEvent('a.jpg') },
    ])
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('goes on where it ended, also when the last run left half a line', async () => {
    const path = await logPath()
    openLogFile(path).write(modelEvent)
    await writeFile(path, '{"time":"2026-11-26T', { flag: 'a' })
    openLogFile(path).write({ type: 'error', code: 'USAGE', message: 'No.' })
    const lines = await linesOf(path)
    expect(lines).toHaveLength(3)
    expect(JSON.parse(lines[2]!)).toMatchObject({ type: 'error', code: 'USAGE' })
  })

  it('is never a file of somebody else', async () => {
    const path = await logPath()
    await writeFile(path, 'a photograph')
    expect(() => openLogFile(path)).toThrow('is no log of rmbg')
    expect(await readFile(path, 'utf8')).toBe('a photograph')
    expect(() => openLogFile(join(path, 'x'))).toThrow('cannot be opened (ENOTDIR)')
  })
})
