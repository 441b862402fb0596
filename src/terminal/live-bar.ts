/**
 * Makes the live line. cli-progress draws it. What cli-progress 3.12 cannot do is done around it: it neither saves and
 * restores the cursor (which would bring it back over what was printed since, npkgz/cli-progress #142 and #145) nor
 * switches line wrap off for the lines of others.
 */
import { type GenericFormatter, type Options, SingleBar } from 'cli-progress'
import { clearBelow, noteShown, noteStopped } from './live-line.ts'

/** What a line is drawn from: `progress` 0..1, `eta` in seconds, and `value` of `total`. */
export type Figures = Parameters<GenericFormatter>[1]

/** @param width columns that the line may take */
export type Draw = (figures: Figures, width: number) => string

const escapes = {
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
    begin = clearBelow
    bar.render()
  }
  bar.on('start', () => {
    stream.on('resize', onResize)
    noteShown(bar)
  })
  bar.on('stop', () => {
    stream.off('resize', onResize)
    noteStopped(bar)
  })
  return bar
}
