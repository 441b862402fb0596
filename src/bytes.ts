/** Sizes as people write and read them: KB, MB, GB and TB are powers of 1000; KiB, MiB, GiB and TiB powers of 1024. */

const prefixes = ['', 'K', 'M', 'G', 'T']

/**
 * @param text such as `500KB`, `1.5 GiB` or `1200000`
 * @returns whole bytes; undefined for what is no size, or one too large to be exact
 */
export function parseSize(text: string): number | undefined {
  const [, number, prefix, binary] = /^(\d+(?:\.\d+)?) ?(?:([KMGT]?)(i)?B)?$/i.exec(text.trim()) ?? []
  if (number === undefined || (binary && !prefix)) return undefined
  const power = prefixes.indexOf((prefix ?? '').toUpperCase())
  const bytes = Math.round(Number(number) * (binary ? 1024 : 1000) ** power)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** A size for people, of two or three figures in powers of 1000; nothing where it is not known. */
export function sizeText(bytes: number | undefined): string {
  if (bytes === undefined) return ''
  let value = bytes
  let power = 0
  // What rounds to 1000 is 1.0 of the next unit.
  for (; value >= 999.5 && power < prefixes.length - 1; power++) value /= 1000
  return `${power === 0 || value >= 9.95 ? Math.round(value) : value.toFixed(1)} ${prefixes[power]}B`
}
