/** The first line of another library's error, to end one of our sentences with. */
export function sentence(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  // ONNX Runtime puts its own source line and the whole signature of its function in front.
  const message = line.replace(/\/\S*\.(cc|h|cpp):\d+ .*\)( const)? (?=[A-Z])/, '')
  return `${message.trim().replace(/\.$/, '')}.`
}
