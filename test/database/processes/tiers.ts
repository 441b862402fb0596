/** Runs a hot loop in a module that was made before PGlite's and in one made behind it, and says when. */
import { setTimeout as sleep } from 'node:timers/promises'
import { compilePglite } from '../../../src/database/embedded-cluster.ts'

/** The part of the standard's types that is needed here; TypeScript has them for browsers only. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array)
  }
  class Instance {
    constructor(module: Module)
    readonly exports: { count: (from: number) => number }
  }
}

/** `count` counts down to 0. */
const bytes = [
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 7, 9, 1, 5, 99, 111, 117, 110],
  ...[116, 0, 0, 10, 18, 1, 16, 0, 3, 64, 32, 0, 65, 1, 107, 34, 0, 13, 0, 11, 32, 0, 11],
]
/** Changes nothing but the bytes: V8 compiles equal ones once. */
const customSection = [0, 2, 1, 120]

const before = new WebAssembly.Module(new Uint8Array(bytes))
await compilePglite()
const behind = new WebAssembly.Module(new Uint8Array([...bytes, ...customSection]))
for (const module of [before, behind]) {
  const { count } = new WebAssembly.Instance(module).exports
  console.log('hot')
  count(400_000_000)
  await sleep(50)
  count(1)
}
