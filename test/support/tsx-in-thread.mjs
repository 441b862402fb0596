// Lets worker threads load TypeScript. `--import tsx` registers nothing in them (tsx 4.23 on Node 20); this does, when
// the process is started with `--import` of this file, which its threads inherit. Never built or shipped.
import { isMainThread } from 'node:worker_threads'

// The threads of the built program need none, and tsx takes a while to load.
if (!isMainThread && process.env.TEST_RUNS_BUILT_PROGRAM === undefined) {
  const { register } = await import('tsx/esm/api')
  register()
}
