/** The package promises Node 20.19 and newer; the other tests run on one release, these on the others. */
import { execa } from 'execa'
import { expect, it } from 'vitest'
import { cleanEnvironment, jsonLines, program } from '../support/cli.ts'
import { freshWorkspace } from '../support/fixture-workspace.ts'
import { describeWith, otherNodes } from '../support/servers.ts'

describeWith('RMBG_TEST_NODES')('other releases of Node', () => {
  it.each(otherNodes)(
    '%s runs every part of the program',
    async (node) => {
      const { folder, home, rows } = await freshWorkspace()
      const run = async (...args: string[]) => {
        const { stdout, stderr, exitCode } = await execa(node, [program, ...args], {
          cwd: folder,
          reject: false,
          extendEnv: false,
          stdin: 'ignore',
          env: { ...(cleanEnvironment() as Record<string, string>), NO_COLOR: '1', RMBG_HOME: home },
        })
        expect(exitCode, stderr).toBe(0)
        // Nothing of a newer Node may be deprecated loudly.
        expect(stderr).not.toMatch(/Warning|deprecat/i)
        return stdout
      }
      const [processed] = jsonLines(await run('process', 'photos', '--json')).slice(-1)
      expect(processed).toMatchObject({ type: 'summary', completed: 3, failed: 0 })
      expect(JSON.parse(await run('query', '--json')).jobs).toHaveLength(3)
      expect(JSON.parse(await run('stats', '--json'))).toBeDefined()
      await run('backup', '--to', 'vault', '--objects', '--drill', '--json')
      await run('prune', '--older-than', '1d', '--yes', '--json')
      expect((await rows()).map(({ status }) => status)).toEqual(['completed', 'completed', 'completed'])
    },
    240_000,
  )
})
