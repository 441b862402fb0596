/**
 * Where a worker thread's code is: beside the module that starts it, compiled or, in tests,
 * as TypeScript that the thread has to load through tsx.
 *
 * @param name file name without extension, relative to `base`
 * @param base the caller's `import.meta.url`
 */
export function threadEntry(name: string, base: string): { url: URL; execArgv: string[] } {
  const fromSource = base.endsWith('.ts')
  return {
    url: new URL(`${name}${fromSource ? '.ts' : '.js'}`, base),
    execArgv: fromSource
      ? ['--import', new URL('../test/support/tsx-in-thread.mjs', import.meta.url).href]
      : [],
  }
}
