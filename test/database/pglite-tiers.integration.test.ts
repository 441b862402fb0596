/** How V8 compiles PGlite: `compilePglite` in src/database/embedded-cluster.ts. */
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { cleanEnvironment, root, temporaryFolder } from '../support/cli.ts'
import { picture } from '../support/images.ts'

/** Node 24's V8 asks for the tiers of a module when it compiles a function, and not when the module is made. */
const keepsTiers = Number.parseInt(process.versions.v8, 10) <= 12

describe.skipIf(!keepsTiers)('PGlite', () => {
  it('is optimized by V8 in no run for one picture', async () => {
    const folder = await temporaryFolder()
    await picture(1).jpeg().toFile(join(folder, 'cup.jpg'))
    const { stdout } = await execa(
      'node',
      [
        '--trace-wasm-compilation-times',
        ...[join(root, 'bin/run.js'), 'process', '--quiet', 'cup.jpg', '-o', 'cutout.png'],
      ],
      { cwd: folder, extendEnv: false, env: { ...cleanEnvironment(), RMBG_HOME: folder } },
    )
    expect(stdout).toContain('using Liftoff')
    expect(stdout).not.toContain('using TurboFan')
  })

  it('leaves other modules as they were, made before it and behind it', async () => {
    const program = join(root, 'test/database/processes/tiers.ts')
    const { stdout } = await execa('node', [
      ...['--import', 'tsx', '--trace-wasm-compilation-times', program],
    ])
    const [, ...hot] = stdout.split('hot\n')
    expect(hot.map((lines) => lines.includes('using TurboFan'))).toEqual([true, true])
  })
})
