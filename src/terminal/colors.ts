/**
 * Colors for people. picocolors by itself also colors what goes to a file where CI is set, and looks at stdout whatever it
 * is that is written to.
 */
import pc from 'picocolors'

type Terminal = Pick<NodeJS.WriteStream, 'isTTY'>

/** Only a terminal shows colors; NO_COLOR (no-color.org) takes them away, and FORCE_COLOR brings them everywhere. */
export function hasColors(stream: Terminal, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR) return false
  if (env.FORCE_COLOR) return !['0', 'false'].includes(env.FORCE_COLOR)
  return Boolean(stream.isTTY) && env.TERM !== 'dumb'
}

/** For results, which go to stdout. */
export const outputColors = pc.createColors(hasColors(process.stdout, process.env))
/** For messages, which go to stderr. */
export const messageColors = pc.createColors(hasColors(process.stderr, process.env))
