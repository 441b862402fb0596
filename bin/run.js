#!/usr/bin/env node
import { availableParallelism } from 'node:os'
import { execute } from '@oclif/core/execute'

// libvips and the file system share this pool: four threads, its default, keep no more than four cores busy. Node 20 has
// started it by now and only heeds the variable when it comes from outside.
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism() + 2))

await execute({ dir: import.meta.url })
