import { link, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { inputTest } from '../../src/process/input-files.ts'
import { temporaryFolder } from '../support/cli.ts'

it('an input is known by all its paths: linked, hard-linked and below a linked folder', async () => {
  const folder = await temporaryFolder()
  const at = (path: string) => join(folder, path)
  await mkdir(at('photos'))
  await writeFile(at('photos/a.jpg'), 'a')
  await writeFile(at('photos/other.jpg'), 'a')
  await symlink('photos/a.jpg', at('link.jpg'))
  await symlink('photos', at('folder'))
  await link(at('photos/a.jpg'), at('hard.jpg'))
  const candidates = ['photos/a.jpg', 'gone.jpg'].map((name) => ({
    path: at(name),
    shown: name,
    relative: name,
  }))
  const isInput = inputTest(candidates)
  const known = ['photos/a.jpg', 'link.jpg', 'hard.jpg', 'folder/a.jpg']
  for (const path of known) expect(await isInput(at(path)), path).toBe(true)
  for (const path of ['photos/other.jpg', 'photos', 'gone.jpg'])
    expect(await isInput(at(path)), path).toBe(false)
})
