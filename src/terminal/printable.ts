/**
 * Makes text from outside (file names, server messages) safe to show on a terminal: control characters,
 * escape sequences and marks that reorder text become visible \u escapes, so that no file name can
 * clear the screen, forge a line or show its extension backwards.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Cs}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The same for text of several lines or columns: line ends and tabs stay. JSON stays the same JSON. */
export const printableLines = (text: string): string =>
  text
    .split(/([\n\t])/)
    .map((part, index) => (index % 2 === 1 ? part : printable(part)))
    .join('')

/** Text of our own commands: its colors stay. */
export const printableOutput = (text: string): string =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how colors begin
    .split(/(\u001b\[\d+m)/)
    .map((part, index) => (index % 2 === 1 ? part : printableLines(part)))
    .join('')
