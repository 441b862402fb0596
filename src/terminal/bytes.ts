const units = [
  [1e13, 1e12, 'TB'],
  [1e10, 1e9, 'GB'],
  [0, 1e6, 'MB'],
] as const

/** A size for people, in powers of 1000; nothing where it is not known. */
export function sizeText(bytes: number | undefined): string {
  if (bytes === undefined) return ''
  const [, unit, name] = units.find(([from]) => bytes >= from)!
  return `${(bytes / unit).toFixed(bytes / unit < 10 ? 1 : 0)} ${name}`
}
