// Where things are kept, and the key under which the built program is cached: everything that it is built from.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setOutputs } from './outputs.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .sort()
const digest = createHash('sha256')
for (const file of [join(root, 'package.json'), join(root, 'package-lock.json'), ...sources])
  digest.update(readFileSync(file))

setOutputs({
  'program-key': `rmbg-program-${process.platform}-${process.arch}-node${process.versions.node.split('.')[0]}-${digest.digest('hex')}`,
  home: process.env.RMBG_HOME ?? join(process.env.RUNNER_TEMP, 'rmbg'),
})
