/** What files begin with: enough to tell that something is no list of paths. */

export interface Kind {
  what: 'picture' | 'film' | 'archive' | 'document'
  name: string
}

/** Text that stands at this byte, as Latin-1. */
type Part = [at: number, text: string]

const tiff = ['II*\0', 'MM\0*', 'II+\0', 'MM\0+', 'IIRO', 'IIRS', 'IIU\0']
const brands = ['avif', 'avis', 'mif1', 'msf1', 'heic', 'heix', 'hevc', 'hevx', 'heim', 'heis']

const beginnings: [what: Kind['what'], name: string, ...Part[]][] = [
  ['picture', 'JPEG', [0, '\xff\xd8\xff']],
  ['picture', 'PNG', [0, '\x89PNG']],
  ['picture', 'GIF', [0, 'GIF87a']],
  ['picture', 'GIF', [0, 'GIF89a']],
  ['picture', 'WebP', [0, 'RIFF'], [8, 'WEBP']],
  ...brands.map((brand): (typeof beginnings)[number] => ['picture', 'AVIF or HEIC', [4, `ftyp${brand}`]]),
  ['picture', 'CR3', [4, 'ftypcrx']],
  ['film', 'MP4', [4, 'ftyp']],
  ['film', 'AVI', [0, 'RIFF'], [8, 'AVI ']],
  ['film', 'Matroska', [0, '\x1aE\xdf\xa3']],
  // CR2, NEF, ARW, DNG, ORF and RW2 begin like this as well.
  ...tiff.map((text): (typeof beginnings)[number] => ['picture', 'TIFF or raw', [0, text]]),
  ['picture', 'RAF', [0, 'FUJIFILMCCD-RAW']],
  ['picture', 'X3F', [0, 'FOVb']],
  ['picture', 'BMP', [0, 'BM'], [6, '\0\0\0\0']],
  ['picture', 'PSD', [0, '8BPS\0']],
  ['picture', 'JPEG XL', [0, '\xff\x0a']],
  ['picture', 'JPEG XL', [0, '\0\0\0\x0cJXL ']],
  ['picture', 'JPEG 2000', [0, '\0\0\0\x0cjP  ']],
  ['picture', 'JPEG 2000', [0, '\xff\x4f\xff\x51']],
  ['picture', 'ICO', [0, '\0\0\x01\0']],
  ['picture', 'EXR', [0, 'v/1\x01']],
  ['picture', 'XCF', [0, 'gimp xcf ']],
  ['document', 'PDF', [0, '%PDF-']],
  ['document', 'Office', [0, '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1']],
  ['archive', 'ZIP, as Office files are', [0, 'PK\x03\x04']],
  ['archive', 'ZIP', [0, 'PK\x05\x06']],
  ['archive', 'gzip', [0, '\x1f\x8b']],
  ['archive', 'bzip2', [0, 'BZh'], [4, '1AY&SY']],
  ['archive', 'xz', [0, '\xfd7zXZ\0']],
  ['archive', 'Zstandard', [0, '\x28\xb5\x2f\xfd']],
  ['archive', 'LZ4', [0, '\x04"M\x18']],
  ['archive', '7z', [0, '7z\xbc\xaf\x27\x1c']],
  ['archive', 'RAR', [0, 'Rar!\x1a\x07']],
  ['archive', 'tar', [257, 'ustar']],
]

/** Text needs more than its first bytes. A byte order mark may stand before it. */
const markup: [begins: RegExp, what: Kind['what'], name: string][] = [
  [/^(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!doctype svg[^>]*>\s*)?<svg[\s>]/is, 'picture', 'SVG'],
  [/^<(\?xml|!doctype|html|!--)/i, 'document', 'XML or HTML'],
  [/^P[1-6]\s+(#.*\s+)?\d+\s+\d+\s/, 'picture', 'PNM'],
]

/** What a file is by its first bytes. @param head 1 KiB is enough */
export function kindOf(head: Buffer): Kind | undefined {
  const text = head.toString('latin1', 0, 1024)
  for (const [what, name, ...parts] of beginnings) {
    if (parts.every(([at, part]) => text.startsWith(part, at))) return { what, name }
  }
  const readable = text.replace(/^\xef\xbb\xbf/, '').trimStart()
  for (const [begins, what, name] of markup) {
    if (begins.test(readable)) return { what, name }
  }
  return undefined
}
