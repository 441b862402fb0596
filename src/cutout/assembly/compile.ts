/** Compiles the pixel kernels. */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const flags = ['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd']

/** What tells whether the kernels that are kept are those of their source, since compiling them takes ten seconds. */
export async function sourceDigest(): Promise<string> {
  const hash = createHash('sha256').update(flags.join(' '))
  for (const name of (await readdir(folder)).filter((file) => file.endsWith('.ts')).sort()) {
    hash.update(name).update(await readFile(`${folder}${name}`))
  }
  return hash.digest('hex')
}

/**
 * @returns the text of the module that the program loads them from
 * @throws Error with what the compiler says
 */
export async function compiledKernels(): Promise<string> {
  const { default: asc } = await import('assemblyscript/asc')
  let binary: Uint8Array | undefined
  const writeFile = (_name: string, contents: Uint8Array | string) => {
    if (typeof contents !== 'string') binary = contents
  }
  const files = ['assembly/index.ts', '--baseDir', `${folder}..`, '--outFile', 'kernels.wasm']
  const { error, stderr } = await asc.main([...files, ...flags], { writeFile })
  const told = stderr.toString()
  if (error || !binary || told !== '')
    throw new Error(`The kernels do not compile: ${told}`, { cause: error })
  return `/** Made from assembly/ (its SHA-256: ${await sourceDigest()}): WebAssembly, in base64. */
export const kernelsBinary =
  '${Buffer.from(binary).toString('base64')}'
`
}
