/** The colors of a HEIF file without a profile: code points, which libvips does not tell about (ISO/IEC 14496-12). */

/** Of ITU-T H.273. */
export interface ColorCodes {
  primaries: number
  transfer: number
}

/** Boxes that hold others, and how many bytes stand before those. */
const holders: Readonly<Record<string, number>> = { meta: 4, iprp: 0, ipco: 0 }
/** A file may claim anything. */
const mostBoxes = 100_000

/** @returns the first code points that the file states for its pictures; undefined where it states none */
export function colorsOf(file: Uint8Array): ColorCodes | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  const parts: [from: number, to: number][] = [[0, bytes.length]]
  let count = 0
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    const [from, to] = part
    for (let at = from; at + 8 <= to && count < mostBoxes; count++) {
      const type = bytes.toString('latin1', at + 4, at + 8)
      const end = endOf(bytes, at, to)
      const inner = holders[type]
      if (inner !== undefined) parts.push([at + 8 + inner, end])
      if (type === 'colr' && end - at >= 18 && bytes.toString('latin1', at + 8, at + 12) === 'nclx')
        return { primaries: bytes.readUInt16BE(at + 12), transfer: bytes.readUInt16BE(at + 14) }
      at = end
    }
  }
  return undefined
}

/** Where a box ends: 1 stands for a size of 64 bits, 0 for the rest. */
function endOf(bytes: Buffer, at: number, to: number): number {
  const size = bytes.readUInt32BE(at)
  if (size === 0) return to
  if (size !== 1) return Math.min(to, at + Math.max(8, size))
  return at + 16 <= to ? Math.min(to, at + Math.max(16, Number(bytes.readBigUInt64BE(at + 8)))) : to
}
