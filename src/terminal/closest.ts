import { distance } from 'fastest-levenshtein'

/** The known word that was most likely meant; undefined where none is like it. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const most = Math.max(2, Math.floor(word.length / 3))
  let best: { word: string; edits: number } | undefined
  for (const candidate of known) {
    const edits = distance(word, candidate)
    // What somebody began to type and did not end is meant as well.
    const isBegun = word.length >= 3 && candidate.startsWith(word)
    if (!isBegun && edits > most) continue
    if (best === undefined || edits < best.edits) best = { word: candidate, edits }
  }
  return best?.word
}
