/** A terminal as a person has it: a real pty, and an emulator that draws what is written there. */
import { spawn } from '@lydell/node-pty'
import xterm from '@xterm/headless'
import { onTestFinished } from 'vitest'
import { cleanEnvironment } from './cli.ts'

export interface ScreenOptions {
  columns: number
  rows: number
  cwd?: string
  env?: Record<string, string>
}

/** What is on the screen when the program has ended: the shell shows it again. */
const prompt = '$ '

/**
 * Runs a program in a terminal, from a shell that shows its prompt before and after it. The environment is clean and
 * without colors.
 */
export function openScreen(command: readonly string[], { columns, rows, cwd, env }: ScreenOptions) {
  const terminal = new xterm.Terminal({ cols: columns, rows, scrollback: 10_000, allowProposedApi: true })
  // The shell only waits and shows its prompt; `trap` keeps it alive when Ctrl-C ends the program. `cat` holds the terminal
  // open behind it: what was written last may be lost when it is closed.
  const shell = `trap : INT; printf '${prompt}rmbg\\n'; "$@"; printf '${prompt}'; exec cat`
  const pty = spawn('/bin/sh', ['-c', shell, 'sh', ...command], {
    name: 'xterm-256color',
    ...{ cols: columns, rows, cwd: cwd ?? process.cwd() },
    env: { ...cleanEnvironment(), CI: undefined, NO_COLOR: '1', ...env },
  })
  onTestFinished(() => {
    try {
      pty.kill('SIGKILL')
    } catch {
      // it has ended
    }
    terminal.dispose()
  })
  let written = ''
  const watchers = new Set<() => void>()
  const look = () => {
    for (const watcher of watchers) watcher()
  }
  pty.onData((text) => {
    written += text
    terminal.write(text, look)
  })
  const watch = (isSo: () => boolean) =>
    new Promise<void>((resolve) => {
      const watcher = () => {
        if (!isSo()) return
        watchers.delete(watcher)
        resolve()
      }
      watchers.add(watcher)
      watcher()
    })

  /** Lines from the one numbered so, without blanks at their ends, and without empty ones at the end. */
  const linesFrom = (first: number) => {
    const { active } = terminal.buffer
    const lines: string[] = []
    for (let row = first; row < active.length; row++) {
      lines.push(active.getLine(row)?.translateToString(true) ?? '')
    }
    return lines.join('\n').trimEnd()
  }
  const screen = {
    /** What is in the window. */
    text: () => linesFrom(terminal.buffer.active.baseY),
    /** The same with all that has left the window at the top. */
    all: () => linesFrom(0),
    /** All that was written, with what has been written over since. */
    written: () => written,
    isCursorShown: () => written.lastIndexOf('\u001b[?25h') >= written.lastIndexOf('\u001b[?25l'),
    wraps: () => terminal.modes.wraparoundMode,
    /** As when a person pulls at the window's corner: the terminal draws its text anew, then tells the program. */
    resize: (columns: number, rows: number) => {
      terminal.resize(columns, rows)
      pty.resize(columns, rows)
    },
    type: (text: string) => pty.write(text),
    /** Waits until the window shows a text. */
    until: (text: string | RegExp) =>
      watch(() => (typeof text === 'string' ? screen.text().includes(text) : text.test(screen.text()))),
    /** Waits until the program has ended and the shell shows its prompt again. */
    ended: () => watch(() => written.endsWith(prompt) && screen.all().endsWith(prompt.trimEnd())),
  }
  return screen
}

export type Screen = ReturnType<typeof openScreen>
