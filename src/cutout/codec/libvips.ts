/** How every picture is opened, and what libvips says when that fails. */
import sharp from 'sharp'

// Parallelism comes from working on many images at once, and nothing is read twice, so a cache would not help.
sharp.concurrency(1)
sharp.cache(false)

/** Photoshop saves up to 56 channels in a file. Memory grows with them, so there is a limit. */
export const mostChannels = 64

/** There is no limit of pixels here: `readHeader` checks that, with a sentence of its own. */
export const openOptions = { limitInputPixels: false, limitInputChannels: mostChannels } as const

/**
 * The first line of libvips' message, in brackets, without the names of its functions and of the file. Control
 * characters are removed, because the message may quote the picture, which may hold anything.
 */
export function reason(cause: Error, path = ''): string {
  const [line = ''] = (path === '' ? cause.message : cause.message.replaceAll(path, '')).split('\n')
  const words = line
    .replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ')
    .replace(/^(Input (buffer|file) |has corrupt header:|\w+:|[\s:])+/, '')
    .trim()
  return words === '' ? '' : ` (${words.slice(0, 200)})`
}
