/** Animated PNG, of which libvips reads the first frame without a word. */
import { partsOf, type ReadAt } from './tiff-tags.ts'

const signatureBytes = 8
/** A chunk's length and type, and its checksum. */
const [headBytes, checksumBytes] = [8, 4]
/** Before the pixels stand few chunks, but a file may claim anything. */
const mostChunks = 200

/** How many frames a PNG has; 1 for one that is not animated, or is damaged. */
export async function apngFrames(file: Uint8Array | ReadAt): Promise<number> {
  const readAt = typeof file === 'function' ? file : partsOf(file)
  for (let at = signatureBytes, count = 0; count < mostChunks; count++) {
    const head = await readAt(at, headBytes + 4)
    if (head.length < headBytes + 4) return 1
    const type = head.toString('latin1', 4, headBytes)
    if (type === 'acTL') return Math.max(1, head.readUInt32BE(headBytes))
    if (type === 'IDAT') return 1
    at += headBytes + head.readUInt32BE(0) + checksumBytes
  }
  return 1
}
