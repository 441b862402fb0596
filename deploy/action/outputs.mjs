import { appendFileSync, readFileSync } from 'node:fs'

/** Sets outputs of this step. None of the values has more than one line. */
export function setOutputs(values) {
  const lines = Object.entries(values).map(([name, value]) => `${name}=${value}\n`)
  appendFileSync(process.env.GITHUB_OUTPUT, lines.join(''))
}

/** What `rmbg process --json` wrote to a file. A run that was killed may have left half a line at its end. */
export function readEvents(file) {
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return JSON.parse(line)
      } catch {
        return []
      }
    })
}

/** Names of files are anybody's: in HTML, and in Markdown that may hold HTML, they are text. */
export const escaped = (text) =>
  String(text).replace(/[&<>"'`|*_[\]\\\n\r]/g, (character) => `&#${character.charCodeAt(0)};`)
