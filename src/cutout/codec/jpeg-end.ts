/** Some cameras and download tools leave out the last two bytes of a JPEG, its end marker. All its pixels are there. */

const endOfImage = 0xd9
const startOfScan = 0xda
/** Decoders add zeros to the first of these by themselves. The second is all ones: 0xff is followed by 0 within data. */
const ends = ['', 'ff00', '55', 'aa'].map((bits) => Buffer.from(`${bits.repeat(64)}ffd9`, 'hex'))
const coefficients = 64

/**
 * Ends a JPEG that ends within its last scan, in several ways: first with the end marker alone, then with bits between
 * the data and the marker. If all these are the same picture, nothing but the marker is missing: a decoder that lacks
 * data would take the added bits for them. (libjpeg warns of missing bits, but libvips overlooks that in the last rows.)
 *
 * A whole scan that is missing would not show, so the scans are counted here. Only Huffman coding is accepted.
 *
 * @returns none for everything else: it has an end, is cut short elsewhere, or is no JPEG
 */
export function withEnds(input: Uint8Array): Buffer[] {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength)
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return []
  /** Of each component, how many low bits each coefficient still lacks. */
  let missingBits: Map<number, Uint8Array> | undefined
  for (const { marker, content, endsFile } of segments(bytes)) {
    if (isOtherFrame(marker) || marker === endOfImage) return []
    if (isHuffmanFrame(marker)) missingBits = componentsOf(content)
    if (marker !== startOfScan) continue
    if (!missingBits || !recordScan(content, missingBits)) return []
    if (endsFile && isComplete(missingBits)) {
      const data = bytes.at(-1) === 0xff ? bytes.subarray(0, -1) : bytes // half of a marker
      return ends.map((end) => Buffer.concat([data, end]))
    }
  }
  return []
}

/** The segments in their order, until the bytes are none. The data of a scan follow its segment, and are passed over. */
function* segments(bytes: Buffer): Generator<{ marker: number; content: Buffer; endsFile: boolean }> {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]!
    if (marker === 0xff) {
      at++ // a fill byte
      continue
    }
    const content = bytes.subarray(at + 4, at + 2 + bytes.readUInt16BE(at + 2))
    const start = at + 4 + content.length
    const end = marker === startOfScan ? endOfScan(bytes, start) : start
    yield { marker, content, endsFile: end === undefined }
    if (end === undefined) return
    at = end
  }
}

/** Baseline, extended and progressive. */
const isHuffmanFrame = (marker: number): boolean => marker >= 0xc0 && marker <= 0xc2

/** Lossless, hierarchical and arithmetic frames; 0xc4, 0xc8 and 0xcc are no frames. */
const isOtherFrame = (marker: number): boolean => marker >= 0xc3 && marker <= 0xcf && marker % 4 !== 0

function componentsOf(frame: Buffer): Map<number, Uint8Array> {
  const missing = new Map<number, Uint8Array>()
  const specifications = frame.subarray(6)
  for (let at = 0; at + 3 <= specifications.length; at += 3) {
    missing.set(specifications[at]!, new Uint8Array(coefficients).fill(0xff))
  }
  return missing
}

function isComplete(missingBits: Map<number, Uint8Array>): boolean {
  return [...missingBits.values()].every((lacking) => lacking.every((bits) => bits === 0))
}

/** @returns false when the scan's header is damaged */
function recordScan(header: Buffer, missingBits: Map<number, Uint8Array>): boolean {
  const count = header[0] ?? 0
  if (count === 0 || header.length !== 4 + 2 * count) return false
  const [first, last, approximation] = header.subarray(1 + 2 * count)
  for (let component = 0; component < count; component++) {
    const lacking = missingBits.get(header[1 + 2 * component]!)
    if (!lacking) return false
    lacking.fill(approximation! & 0x0f, first, last! + 1)
  }
  return true
}

/** Where the next segment begins after entropy-coded data; undefined when the file ends within them. */
function endOfScan(bytes: Buffer, start: number): number | undefined {
  for (let at = bytes.indexOf(0xff, start); at !== -1 && at + 1 < bytes.length; ) {
    const next = bytes[at + 1]!
    const isData = next === 0 || (next >= 0xd0 && next <= 0xd7)
    if (!isData && next !== 0xff) return at
    at = bytes.indexOf(0xff, at + (isData ? 2 : 1))
  }
  return undefined
}
