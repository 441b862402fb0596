/** Inference alone: `session.run` in a loop, as fast as it goes. Prints its milliseconds, one figure a run. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { randomNumbers } from '../../support/random.ts'

const [file, size, threads, runs] = process.argv.slice(2) as [string, string, string, string]
const side = Number(size)
const session = await InferenceSession.create(file, {
  executionProviders: ['cpu'],
  intraOpNumThreads: Number(threads),
})
const next = randomNumbers(1)
const image = new Tensor(
  'float32',
  Float32Array.from({ length: 3 * side * side }, () => next() - 0.5),
  [1, 3, side, side],
)
const warmUp = 3
const ms: number[] = []
for (let run = 0; run < Number(runs) + warmUp; run++) {
  const startedAt = performance.now()
  await session.run({ image })
  ms.push(performance.now() - startedAt)
}
await session.release()
console.log(JSON.stringify(ms.slice(warmUp)))
