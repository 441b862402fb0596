/** A file that a collector may read at any moment. */
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { writeMetrics } from '../../src/jobs/metrics-file.ts'
import { openMetrics } from '../../src/terminal/open-metrics.ts'
import { temporaryFolder } from '../support/cli.ts'

const keep = { overwrite: false }
const metrics = (value: number) =>
  openMetrics([
    {
      ...{ name: 'backup', level: 'warn', summary: 'There is no backup.', details: [] },
      metrics: [
        { name: 'rmbg_b_total', value, help: 'Counted.' },
        { name: 'rmbg_a_bytes', value: 0, labels: { folder: 'C:\\a "b"\nc' }, help: 'A\\B\nC' },
      ],
    },
  ])

it('OpenMetrics tells type and help of each family, escapes what needs it, and ends in EOF', async () => {
  expect(await metrics(0)).toBe(`# HELP rmbg_health_level 0 is OK, 1 WARN, 2 CRIT, 3 UNKNOWN.
# TYPE rmbg_health_level gauge
rmbg_health_level{check="backup"} 1
# HELP rmbg_b Counted.
# TYPE rmbg_b counter
rmbg_b_total 0
# HELP rmbg_a_bytes A\\\\B\\nC
# TYPE rmbg_a_bytes gauge
rmbg_a_bytes{folder="C:\\\\a \\"b\\"\\nc"} 0
# EOF
`)
})

it('takes the place of earlier metrics, as a whole, and leaves nothing beside it', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'rmbg.prom')
  await writeFile(path, '') // as a shell that redirects into it
  await writeMetrics(path, await metrics(1), keep)
  const { ino } = await stat(path)
  await writeMetrics(path, await metrics(2), keep)
  expect(await readFile(path, 'utf8')).toBe(await metrics(2))
  expect((await stat(path)).ino).not.toBe(ino)
  expect(await readdir(folder)).toEqual(['rmbg.prom'])
})

it('takes the place of nothing else, unless it is told to', async () => {
  const folder = await temporaryFolder()
  const [notes, link] = [join(folder, 'notes'), join(folder, 'link')]
  await writeFile(notes, 'mine\n# EOF\n')
  await symlink(notes, link)
  for (const path of [notes, link])
    await expect(writeMetrics(path, await metrics(1), keep)).rejects.toMatchObject({ code: 'USAGE' })
  expect(await readFile(notes, 'utf8')).toBe('mine\n# EOF\n')
  await writeMetrics(notes, await metrics(1), { overwrite: true })
  expect(await readFile(notes, 'utf8')).toBe(await metrics(1))
  await mkdir(join(folder, 'sub'))
  await expect(writeMetrics(join(folder, 'sub'), await metrics(1), keep)).rejects.toMatchObject({
    code: 'OUTPUT_UNWRITABLE',
  })
})
