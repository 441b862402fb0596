/**
 * Writes the compiled pixel kernels to where the program loads them from. They are kept with the code, so that whoever
 * changes something else need not compile them; test/cutout/pixels/kernels.test.ts tells when they are out of date.
 * Run with: npm run kernels
 */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { compiledKernels } from './compile.ts'

const target = new URL('../pixels/kernels-binary.ts', import.meta.url)
await writeFile(fileURLToPath(target), await compiledKernels())
