/**
 * The last line on a terminal, drawn again and again while work goes on: a bar, or words. cli-progress draws it. What
 * cli-progress 3.12 cannot do is done around it: it neither saves and restores the cursor (which would bring it back over
 * what was printed since, npkgz/cli-progress #142 and #145) nor switches line wrap off for the lines of others.
 */
import { type GenericFormatter, type Options, SingleBar } from 'cli-progress'

/** What a line is drawn from: `progress` 0..1, `eta` in seconds, and `value` of `total`. */
export type Figures = Parameters<GenericFormatter>[1]

/** @param width columns that the line may take */
export type Draw = (figures: Figures, width: number) => string

const escapes = {
  /** From the begin of the live line to the end of the screen: a narrower terminal may have made several lines of it. */
  clear: '\r\u001b[J',
  wrapOff: '\u001b[?7l',
  wrapOn: '\u001b[?7h',
}

const style: Options = {
  hideCursor: true,
  clearOnComplete: true,
  // Whoever shows a line decides what Ctrl-C means; the line must not end the process.
  gracefulExit: false,
  linewrap: true,
  forceRedraw: true,
}

const shown = new Set<SingleBar>()

/**
 * A live line on stderr; nothing where that is no terminal. It fits the terminal's width, also when that changes, and is
 * gone when it is stopped. It may be started again.
 */
export function liveLine(draw: Draw): SingleBar {
  const stream = process.stderr
  const format: GenericFormatter = (_, figures) => draw(figures, figures.maxWidth - 1)
  const bar = new SingleBar({ ...style, format, stream })
  const { terminal } = bar as unknown as { terminal: { cursorSave(): void; cursorRestore(): void } }
  terminal.cursorSave = () => {}
  terminal.cursorRestore = () => {}
  // The cursor rests where the line begins. So a terminal that wraps the line anew, because it became narrower, takes
  // the cursor to the first of its rows, and all of them can be cleared.
  let begin = '\r'
  bar.on('redraw-pre', () => {
    // The terminal may be narrower than we know yet: then the line is clipped instead of wrapped.
    stream.write(begin + escapes.wrapOff)
    begin = '\r'
  })
  bar.on('redraw-post', () => stream.write(`${escapes.wrapOn}\r`))
  const onResize = () => {
    begin = escapes.clear
    bar.render()
  }
  bar.on('start', () => {
    stream.on('resize', onResize)
    shown.add(bar)
    if (shown.size === 1) guard()
  })
  bar.on('stop', () => {
    stream.off('resize', onResize)
    shown.delete(bar)
    if (shown.size === 0) release()
  })
  return bar
}

/** Prints something in the place of the live line, which is drawn again below it. */
export function above(print: () => void): void {
  if (shown.size > 0) process.stderr.write(escapes.clear)
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
