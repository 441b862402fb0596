/** How V8 compiles PGlite: `compilePglite` in src/database/embedded-cluster.ts. */
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { cleanEnvironment, root, temporaryFolder } from '../support/cli.ts'
import { picture } from '../support/images.ts'

/** Node 24's V8 asks for the tiers of a module when it compiles a function, and not when the module is made. */
const keepsTiers = Number.parseInt(process.versions.v8, 10) <= 12

/** Built at once, and run 400 million times. */
const hotLoop = `new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0,
  7, 5, 1, 1, 102, 0, 0, 10, 18, 1, 16, 0, 3, 64, 32, 0, 65, 1, 107, 34, 0, 13, 0, 11, 32, 0, 11]))`

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
    const script = `
      import { compilePglite } from '${join(root, 'src/database/embedded-cluster.ts')}'
      const before = ${hotLoop}
      await compilePglite()
      for (const module of [before, ${hotLoop.replace('0, 11]', '0, 11, 0, 2, 1, 120]')}]) {
        const { f } = new WebAssembly.Instance(module).exports
        console.log('hot')
        f(400_000_000)
        await new Promise((done) => setTimeout(done, 50))
        f(1)
      }`
    const { stdout } = await execa(
      'node',
      ['--import', 'tsx', '--trace-wasm-compilation-times', '--input-type=module', '-e', script],
      { cwd: root, extendEnv: false, env: cleanEnvironment() as Record<string, string> },
    )
    const [, ...hot] = stdout.split('hot\n')
    expect(hot.map((lines) => lines.includes('using TurboFan'))).toEqual([true, true])
  })
})
