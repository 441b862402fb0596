/** The program: runs the command that was typed. Importing it starts it. */
import { availableParallelism } from 'node:os'
import { run } from '@oclif/core/run'
import { endWith } from './end.ts'
import { written } from './standard-output.ts'

// libvips and the file system share this pool: four threads, its default, keep no more than four cores busy. Node 20 has
// started it by now and only heeds the variable when it comes from outside.
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism() + 2))

// A diagnostic report, where somebody asked Node for them, would hold the environment and so passwords and keys. From
// Node 22.13 on it can be told to leave it out; the types are those of Node 20.
if (process.report) Object.assign(process.report, { excludeEnv: true })

const argv = process.argv.slice(2)
process.on('uncaughtException', (error) => void endWith(error, argv))

try {
  await run(argv, import.meta.url)
  await written()
} catch (error) {
  await endWith(error, argv)
}
