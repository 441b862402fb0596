/** The first line of another program's error, as the end of a sentence of ours. */
export function sentence(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  return `${line.trim().replace(/\.$/, '')}.`
}
