import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { temporaryFolder } from '../../support/cli.ts'

/** As perf does it: runs what stands after `--` in a process of its own, and writes what it counted. */
const perf = `#!/bin/sh
while [ "$1" != -- ]; do [ "$1" = -o ] && file=$2; [ "$1" = -e ] && event=$2; shift; done
shift
"$@"
status=$?
case $event in instructions:u) count='5000000;;' ;; *) count='<not supported>;;' ;; esac
echo "$count$event;1;100.00;;" >"$file"
exit $status
`

it('a measured program is counted by perf, and is watched itself', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'perf'), perf)
  await chmod(join(folder, 'perf'), 0o755)
  onTestFinished(() => void vi.unstubAllEnvs())
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`)
  vi.stubEnv('RMBG_BENCH_FOLDER', join(folder, 'bench'))
  const [{ measure }, { counters }] = await Promise.all([import('./measured.ts'), import('./perf.ts')])

  let watched = 0
  const finished = await measure(['-e', 'console.log(process.pid); process.exitCode = 3'], {
    onLine: (_, pid) => {
      watched = pid
    },
  })

  expect(finished).toMatchObject({ status: 3, counts: { instructions: 5_000_000 } })
  expect(finished.lines.map(({ text }) => text)).toEqual([String(watched)])
  expect((await counters()).leftOut).toMatch(/^perf cannot count power\/energy-pkg\/ here: /)
})

it('of a program whose last line alone is wanted, that is read whole', async () => {
  const { measure } = await import('./measured.ts')
  const { lines } = await measure(
    ['-e', 'for (let i = 0; i < 9; i++) process.stdout.write(String(i).repeat(50_000) + "\\n")'],
    { plain: true, lastLineOnly: true },
  )
  expect(lines.map(({ text }) => text)).toEqual(['8'.repeat(50_000)])
})
