/** The GitHub Action: the shell steps of action.yml are executed as they stand there, without GitHub. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { cleanEnvironment, root, temporaryFolder } from '../support/cli.ts'
import { runAction } from '../support/composite-action.ts'
import { copyEmbeddedDatabase } from '../support/embedded-database.ts'
import { picture } from '../support/images.ts'

it('cuts out pictures, reports failures and thumbnails, and fails at the end with the status of rmbg', async () => {
  const folder = await temporaryFolder()
  const home = join(folder, 'home')
  await copyEmbeddedDatabase(join(home, 'database'))
  const workspace = join(folder, 'workspace')
  await mkdir(join(workspace, 'my photos'), { recursive: true })
  await picture(1).jpeg().toFile(join(workspace, 'my photos/cup.jpg'))
  await writeFile(join(workspace, 'my photos/<b>|_broken_.jpg'), '')

  const { status, log, summary, outputs, used } = await runAction({
    action: root,
    inputs: { images: 'my photos', output: 'cut-outs', flags: '--format=webp' },
    workspace,
    temp: join(folder, 'temp'),
    env: { ...(cleanEnvironment() as Record<string, string>), RMBG_HOME: home },
    // The program that is cached is the one that was built here.
    outputsOf: {
      program: { 'cache-hit': 'true' },
      'report-artifact': { 'artifact-url': 'https://github.example/artifacts/1' },
    },
  })

  expect(status, log).toBe(3)
  expect(log).toContain('::error::rmbg process ended with status 3')
  expect(outputs).toMatchObject({ completed: '1', skipped: '0', failed: '1' })
  expect(outputs.report).toBe('https://github.example/artifacts/1')
  expect(summary).toContain('1 completed, 0 skipped, 1 failed')
  expect(summary).toContain('[Before and after](https://github.example/artifacts/1)')
  // Names are text, whatever they hold.
  expect(summary).toContain('| my photos/&#60;b&#62;&#124;&#95;broken&#95;.jpg | The file is empty')

  const uploads = used.filter(({ uses }) => uses.startsWith('actions/upload-artifact@'))
  const [report, cutouts] = uploads.map((upload) => upload.with)
  expect(cutouts).toMatchObject({ name: 'cutouts', path: 'cut-outs' })
  expect(await readFile(join(workspace, 'cut-outs/cup.webp'))).toBeDefined()
  const html = await readFile(report!.path!, 'utf8')
  expect(html.match(/src="data:image\/webp;base64,/g)).toHaveLength(2)
  expect(html).not.toContain('<b>|_broken_')
})
