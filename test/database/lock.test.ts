/** The lock of the embedded database, between real processes. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, it } from 'vitest'
import { lockFolder } from '../../src/database/lock.ts'
import { temporaryFolder } from '../support/cli.ts'

const module = fileURLToPath(new URL('../../src/database/lock.ts', import.meta.url))

/** A process that takes the lock, says so, and holds it for a while. */
function contender(folder: string, holdMs: number) {
  const code = `
    import { lockFolder } from ${JSON.stringify(module)}
    try {
      const release = await lockFolder(process.argv[1])
      process.stdout.write('held ' + Date.now() + '\\n')
      await new Promise((resolve) => setTimeout(resolve, ${holdMs}))
      process.stdout.write('released ' + Date.now() + '\\n')
      await release()
    } catch (error) { process.stdout.write(error.code + ' ' + error.message) }`
  return execa(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code, folder], {
    reject: false,
  })
}
const firstWord = (child: ReturnType<typeof contender>) =>
  new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(String(data))))

it('refuses a folder that a live process has, and names it', async () => {
  const folder = join(await temporaryFolder(), 'database')
  const holder = contender(folder, 60_000)
  await firstWord(holder)
  const error = await lockFolder(folder).catch((error) => error)
  expect(error).toMatchObject({ code: 'DATABASE_LOCKED' })
  expect(error.message).toContain(`process ${holder.pid}`)
  holder.kill('SIGKILL')
  await holder
  const release = await lockFolder(folder)
  await release()
  expect(await readdir(`${folder}.lock`)).toEqual([])
})

it('is given to one at a time, however many ask at once, also when a dead one has to be cleared away', async () => {
  const folder = join(await temporaryFolder(), 'database')
  const dead = contender(folder, 60_000)
  await firstWord(dead)
  dead.kill('SIGKILL')
  await dead
  const contenders = await Promise.all(Array.from({ length: 6 }, () => contender(folder, 150)))
  const times = contenders.flatMap(({ stdout }) => {
    const [, held, released] = /held (\d+)\nreleased (\d+)/.exec(String(stdout)) ?? []
    return held ? [[Number(held), Number(released)] as const] : []
  })
  expect(times.length, contenders.map(({ stdout }) => stdout).join('\n')).toBeGreaterThan(0)
  times.sort(([a], [b]) => a - b)
  for (const [index, [held]] of times.entries())
    if (index > 0) expect(held).toBeGreaterThanOrEqual(times[index - 1]![1])
})
