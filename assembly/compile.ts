/** Compiles the pixel kernels. */
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const flags = ['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd']

/**
 * @returns the text of the module that the program loads them from
 * @throws Error with what the compiler says
 */
export async function compiledKernels(): Promise<string> {
  let binary: Uint8Array | undefined
  const writeFile = (_name: string, contents: Uint8Array | string) => {
    if (typeof contents !== 'string') binary = contents
  }
  const baseDir = fileURLToPath(new URL('..', import.meta.url))
  const files = ['assembly/index.ts', '--baseDir', baseDir, '--outFile', 'kernels.wasm']
  const { error, stderr } = await asc.main([...files, ...flags], { writeFile })
  const told = stderr.toString()
  if (error || !binary || told !== '')
    throw new Error(`The kernels do not compile: ${told}`, { cause: error })
  return `/** Made from assembly/ by \`npm run kernels\`: WebAssembly, in base64. */
export const kernelsBinary =
  '${Buffer.from(binary).toString('base64')}'
`
}
