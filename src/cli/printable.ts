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
