/**
 * The last line on a terminal, drawn again and again while work goes on: a bar, or words. Here is what everybody needs who
 * prints beside it; `live-bar.ts` makes one.
 */

/** A line that is shown. */
export interface LiveLine {
  render(): void
  stop(): void
}

/** From the begin of the live line to the end of the screen: a narrower terminal may have made several lines of it. */
export const clearBelow = '\r\u001b[J'

const shown = new Set<LiveLine>()

/** Keeps track of a line from when it is shown. */
export function noteShown(line: LiveLine): void {
  shown.add(line)
  if (shown.size === 1) guard()
}

/** Until it is stopped. */
export function noteStopped(line: LiveLine): void {
  shown.delete(line)
  if (shown.size === 0) release()
}

/** Prints something in the place of the live line, which is drawn again below it. */
export function above(print: () => void): void {
  if (shown.size > 0) process.stderr.write(clearBelow)
  print()
  for (const bar of shown) bar.render()
}

/** Removes every live line and shows the cursor again: before an error, a question, or the end of the process. */
export function leaveLiveLines(): void {
  for (const bar of [...shown]) bar.stop()
}

/** Where nobody else decides what a signal means, it ends the process, and the cursor must not stay hidden. */
function onSignal(name: NodeJS.Signals): void {
  if (process.listenerCount(name) > 1) return
  leaveLiveLines()
  process.kill(process.pid, name)
}

function guard(): void {
  process.on('exit', leaveLiveLines).on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal)
}

function release(): void {
  process.off('exit', leaveLiveLines).off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal)
}
