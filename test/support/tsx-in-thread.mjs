// Lets worker threads load TypeScript. `--import tsx` registers nothing in them (tsx 4.23 on Node 20); this does, when
// the process is started with `--import` of this file, which its threads inherit. Never built or shipped.
import { isMainThread } from 'node:worker_threads'
import { register } from 'tsx/esm/api'

if (!isMainThread) register()
