/** The first line of another program's error, as the end of a sentence of ours. */
export function sentence(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  // ONNX Runtime names the line of its own source, with the function's whole signature.
  const told = line.replace(/\/\S*\.(cc|h|cpp):\d+ .*\)( const)? (?=[A-Z])/, '')
  return `${told.trim().replace(/\.$/, '')}.`
}
