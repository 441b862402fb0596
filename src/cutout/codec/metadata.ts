import type { Element } from '@xmldom/xmldom'
import type { Exif, Sharp } from 'sharp'

/** The metadata of a cut-out, ready to be written. */
export interface KeptMetadata {
  exif: Exif
  /** An XMP packet. */
  xmp: string | undefined
}

const dublinCore = 'http://purl.org/dc/elements/1.1/'

/** Tags that describe the original file, not the picture. A thumbnail would show the old background. */
const bound = new Set([
  ...['Orientation', 'XResolution', 'YResolution', 'ResolutionUnit', 'YCbCrPositioning', 'Compression'],
  ...['ImageWidth', 'ImageLength', 'BitsPerSample', 'PhotometricInterpretation', 'SamplesPerPixel'],
  ...['StripOffsets', 'StripByteCounts', 'RowsPerStrip', 'PlanarConfiguration', 'ExifTag', 'GPSTag'],
  ...['ExifVersion', 'ComponentsConfiguration', 'FlashpixVersion', 'ColorSpace', 'InteroperabilityTag'],
  ...['PixelXDimension', 'PixelYDimension', 'JPEGInterchangeFormat', 'JPEGInterchangeFormatLength'],
])

/**
 * Selects the metadata of a cut-out: author and copyright only, or with `keepAll` everything except the location (GPS, in
 * EXIF and XMP), thumbnails, makers' private notes and tags that describe the original file. Unreadable metadata are
 * left out, because a damaged tag must not fail a picture.
 *
 * @param source the blocks as sharp reads them
 */
export async function metadataToKeep(
  source: { exif?: Buffer | undefined; xmp?: Buffer | undefined },
  { keepAll }: { keepAll: boolean },
): Promise<KeptMetadata> {
  const exif = source.exif && (await exifOf(source.exif))
  const xmp = source.xmp && (await xmpOf(source.xmp))
  const image = textTags(exif?.Image)
  if (keepAll) {
    for (const element of [...(xmp?.document.getElementsByTagName('*') ?? [])]) removePlace(element)
    return {
      exif: { IFD0: image, IFD2: textTags(exif?.Photo) },
      xmp: xmp && new xmp.XMLSerializer().serializeToString(xmp.document),
    }
  }
  const list = (name: string) => {
    const property = xmp?.document.getElementsByTagNameNS(dublinCore, name)[0]
    return (
      property &&
      [...property.getElementsByTagName('rdf:li')].map((item) => item.textContent ?? '').join('; ')
    )
  }
  const rights = list('rights') || image.Copyright
  const creator = list('creator') || image.Artist
  return {
    exif: { IFD0: { ...(rights && { Copyright: rights }), ...(creator && { Artist: creator }) } },
    xmp: rights || creator ? packet(rights, creator) : undefined,
  }
}

// Most pictures of the web have no such blocks, and each library takes as long to load as a small picture to decode.

async function exifOf(block: Buffer) {
  const { default: readExif } = await import('exif-reader')
  return attempt(() => readExif(block))
}

async function xmpOf(block: Buffer) {
  const { DOMParser, XMLSerializer } = await import('@xmldom/xmldom')
  const document = attempt(() => new DOMParser({ onError }).parseFromString(textOf(block), 'text/xml'))
  return document && { document, XMLSerializer }
}

const hasExif = ({ exif }: KeptMetadata): boolean =>
  Object.values(exif).some((tags) => tags && Object.keys(tags).length > 0)

export const hasMetadata = (kept: KeptMetadata): boolean => hasExif(kept) || kept.xmp !== undefined

/** Adds the metadata, if there are any, to the file to be written. */
export function withMetadata(image: Sharp, kept: KeptMetadata): Sharp {
  const { exif, xmp } = kept
  const tagged = hasExif(kept) ? image.withExif(exif) : image
  return xmp === undefined ? tagged : tagged.withXmp(xmp)
}

/** Tags as libvips takes them: decimal numbers, lists separated by blanks. */
function textTags(tags: Record<string, unknown> | undefined): Record<string, string> {
  const result: Record<string, string> = {}
  for (const [name, value] of Object.entries(tags ?? {})) {
    const text = bound.has(name) ? undefined : tagText(value)
    if (text !== undefined) result[name] = text
  }
  return result
}

function tagText(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return value.replaceAll(/\p{Cc}+/gu, ' ').trim() || undefined
  if (value instanceof Date && !Number.isNaN(value.getTime())) {
    const [date, time] = value.toISOString().split(/[T.]/)
    return `${date!.replaceAll('-', ':')} ${time}`
  }
  if (Array.isArray(value) && value.every((part) => typeof part === 'number')) {
    return value.join(' ') || undefined // a damaged list may have no entries, and sharp takes no empty text
  }
  return undefined // bytes: private notes, thumbnails
}

/** XMP properties are elements or attributes, with any prefix. */
function removePlace(element: Element): void {
  const isPlace = (name: string | null) => /^GPS/i.test(name ?? '')
  for (const attribute of [...element.attributes]) {
    if (isPlace(attribute.localName)) element.removeAttributeNode(attribute)
  }
  if (isPlace(element.localName)) element.parentNode?.removeChild(element)
}

function packet(rights: string | undefined, creator: string | undefined): string {
  const escaped = (text: string) =>
    text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  const property = (name: string, list: string, text: string | undefined, attributes = '') =>
    text
      ? `<dc:${name}><rdf:${list}><rdf:li${attributes}>${escaped(text)}</rdf:li></rdf:${list}></dc:${name}>`
      : ''
  return [
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>',
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
    `<rdf:Description rdf:about="" xmlns:dc="${dublinCore}">`,
    property('rights', 'Alt', rights, ' xml:lang="x-default"'),
    property('creator', 'Seq', creator),
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>',
  ].join('')
}

function textOf(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  // Packets are padded with blanks, and may be followed by junk.
  const end = text.lastIndexOf('>')
  return text.slice(text.indexOf('<'), end + 1)
}

function onError(level: string, message: string): void {
  if (level !== 'warning') throw new SyntaxError(message)
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
