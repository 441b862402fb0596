/** Lies that each format makes possible: sizes, counts, lengths and offsets, with checksums that agree with them. */
import { crc32, deflateSync } from 'node:zlib'
import type { Random } from './random.ts'

/** May change the bytes it is given. */
export type Mutation = (bytes: Buffer, random: Random) => Buffer

const sides = [0, 1, 2, 3, 7, 255, 5000, 16383, 16384, 32768, 65500, 65535, 65536, 1_000_000, 2 ** 31 - 1]
const anySide = (random: Random, most: number) => random.pick(sides.filter((side) => side <= most))
const ascii = (text: string) => Buffer.from(text, 'latin1')
const starts = (bytes: Buffer, text: string, at = 0) =>
  bytes.includes(text, at, 'latin1') && bytes.indexOf(text, at, 'latin1') === at

/** The lies that fit what the file begins like; none for what it no longer looks like. */
export function mutationsOf(bytes: Buffer): Record<string, Mutation> {
  if (bytes.length < 64) return {}
  if (starts(bytes, '\x89PNG')) return png
  if (starts(bytes, '\xff\xd8')) return jpeg
  if (starts(bytes, 'RIFF')) return webp
  if (starts(bytes, 'II') || starts(bytes, 'MM')) return tiff
  if (starts(bytes, 'GIF8')) return gif
  if (starts(bytes, 'ftyp', 4)) return avif
  return starts(bytes, '<svg') ? svg : {}
}

/** What is found in files in the way of notes, and should not be. */
function note(random: Random): Buffer {
  return random.pick([
    () => random.bytes(random.pick([0, 1, 20, 5000])),
    () => Buffer.alloc(60_000, random.below(256)),
    () => Buffer.concat([ascii('Exif\0\0'), selfReferringTiff(random)]),
    () => selfReferringTiff(random),
    () => ascii(`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">${entities}]><x>&j;</x>`),
    () => ascii(`<x:xmpmeta xmlns:x="adobe:ns:meta/">${'<a>'.repeat(random.pick([10, 3000]))}`),
    () => ascii('<x:xmpmeta xmlns:x="adobe:ns:meta/"><a b="\u0001"/>\0]]><!--'),
    () => profile(random),
  ])()
}

/** Each ten of the one before: a billion of the first. */
const entities = [...'bcdefghij']
  .map((name, index) => `<!ENTITY ${name} "${`&${'abcdefghi'[index]};`.repeat(10)}">`)
  .join('')

/** An IFD whose entries and whose next IFD lead back to it. */
function selfReferringTiff(random: Random): Buffer {
  const entries = random.between(1, 200)
  const bytes = Buffer.alloc(10 + entries * 12 + 4)
  bytes.write('II*\0', 'latin1')
  bytes.writeUInt32LE(8, 4)
  bytes.writeUInt16LE(entries, 8)
  for (let entry = 0; entry < entries; entry++) {
    const at = 10 + entry * 12
    bytes.writeUInt16LE(
      random.pick([0x8769, 0x8825, 0xa005, 0x14a, 0x10e, 0x8298, 0x927c, random.below(65536)]),
      at,
    )
    bytes.writeUInt16LE(random.between(0, 14), at + 2)
    bytes.writeUInt32LE(random.pick([1, 2, 0xffff, 0xffffffff]), at + 4)
    bytes.writeUInt32LE(random.pick([0, 8, 0xffffffff]), at + 8)
  }
  bytes.writeUInt32LE(8, bytes.length - 4)
  return bytes
}

/** Looks like an ICC profile, with tags that point anywhere. */
function profile(random: Random): Buffer {
  const bytes = random.bytes(random.pick([128, 132, 600, 5000]))
  bytes.writeUInt32BE(random.pick([bytes.length, 0, 0xffffffff]), 0)
  bytes.write(random.pick(['RGB ', 'CMYK', 'GRAY', 'Lab ']), 16, 'latin1')
  bytes.write('acsp', 36, 'latin1')
  if (bytes.length > 132) bytes.writeUInt32BE(random.pick([0, 1, 9, 0xffffffff]), 128)
  return bytes
}

// PNG: length, type, data, CRC of type and data

interface Chunk {
  type: string
  data: Buffer
}

function* chunks(bytes: Buffer): Generator<Chunk> {
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    if (at + 12 + length > bytes.length) return
    yield {
      type: bytes.toString('latin1', at + 4, at + 8),
      data: Buffer.from(bytes.subarray(at + 8, at + 8 + length)),
    }
    at += 12 + length
  }
}

function pngOf(all: readonly Chunk[]): Buffer {
  const parts = all.map(({ type, data }) => {
    const checked = Buffer.concat([ascii(type), data])
    const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    checksum.writeUInt32BE(crc32(checked))
    return Buffer.concat([length, checked, checksum])
  })
  return Buffer.concat([ascii('\x89PNG\r\n\x1a\n'), ...parts])
}

const pngWith =
  (change: (all: Chunk[], random: Random) => void): Mutation =>
  (bytes, random) => {
    const all = [...chunks(bytes)]
    if (all[0]?.type !== 'IHDR' || all[0].data.length !== 13) return bytes
    change(all, random)
    return pngOf(all)
  }

const png: Record<string, Mutation> = {
  size: pngWith(([header], random) => {
    header!.data.writeUInt32BE(anySide(random, 2 ** 31), random.pick([0, 4]))
    if (random.below(2)) header!.data.writeUInt32BE(anySide(random, 2 ** 31), random.pick([0, 4]))
  }),
  kind: pngWith(([header], random) => {
    header!.data[random.between(8, 12)] = random.pick([0, 1, 2, 3, 4, 6, 8, 16, 255])
  }),
  chunks: pngWith((all, random) => {
    const from = random.below(all.length)
    const [chunk] = random.below(2) ? all.splice(from, 1) : [all[from]!]
    for (let count = random.pick([0, 1, 1, 300]); count > 0; count--)
      all.splice(random.below(all.length + 1), 0, chunk!)
  }),
  note: pngWith((all, random) => {
    const type = random.pick([
      'eXIf',
      'iCCP',
      'iTXt',
      'zTXt',
      'tEXt',
      'tRNS',
      'PLTE',
      'sBIT',
      'gAMA',
      'cHRM',
      'acTL',
      'fcTL',
      'pHYs',
    ])
    const named = {
      iCCP: 'icc\0\0',
      zTXt: 'Raw profile type exif\0\0',
      tEXt: 'Comment\0',
      iTXt: 'XML:com.adobe.xmp\0\0\0\0\0',
    }[type]
    const content = note(random)
    const packed = type === 'iCCP' || type === 'zTXt' ? deflateSync(content) : content
    all.splice(random.between(0, 1), 0, { type, data: Buffer.concat([ascii(named ?? ''), packed]) })
  }),
  packedBomb: pngWith((all, random) => {
    const data = deflateSync(Buffer.alloc(random.pick([1, 10, 40]) * 2 ** 20))
    const type = random.pick(['iCCP', 'zTXt', 'IDAT'])
    const name = { iCCP: 'icc\0\0', zTXt: 'Comment\0\0', IDAT: '' }[type]!
    all.splice(1, 0, { type, data: Buffer.concat([ascii(name), data]) })
  }),
  length: (bytes, random) => {
    const at = bytes.indexOf(random.pick(['IHDR', 'IDAT', 'IEND', 'iCCP', 'PLTE']), 0, 'latin1')
    if (at >= 12) bytes.writeUInt32BE(random.pick([0, 1, 12, 14, 0x7fffffff, 0xffffffff]), at - 4)
    return bytes
  },
}

// JPEG: markers with a length of two bytes

interface Segment {
  marker: number
  /** Of its data. */
  at: number
  length: number
}

/** Up to the first scan. */
function* segments(bytes: Buffer): Generator<Segment> {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]!
    const length = bytes.readUInt16BE(at + 2)
    yield { marker, at: at + 4, length: Math.max(0, Math.min(length - 2, bytes.length - at - 4)) }
    if (marker === 0xda) return
    at += 2 + Math.max(length, 2)
  }
}

const inSegment =
  (isWanted: (marker: number) => boolean, change: (data: Buffer, random: Random) => void): Mutation =>
  (bytes, random) => {
    const found = [...segments(bytes)].filter(({ marker, length }) => isWanted(marker) && length > 5)
    if (found.length === 0) return bytes
    const { at, length } = random.pick(found)
    change(bytes.subarray(at, at + length), random)
    return bytes
  }
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xc2
const segment = (marker: number, data: Buffer) => {
  const head = Buffer.from([0xff, marker, 0, 0])
  head.writeUInt16BE(Math.min(data.length + 2, 65535), 2)
  return Buffer.concat([head, data.subarray(0, 65533)])
}

const jpeg: Record<string, Mutation> = {
  size: inSegment(isFrame, (data, random) => {
    data.writeUInt16BE(anySide(random, 65535), random.pick([1, 3]))
    if (random.below(2)) data.writeUInt16BE(anySide(random, 65535), random.pick([1, 3]))
  }),
  components: inSegment(isFrame, (data, random) => {
    const at = random.pick([0, 5, 7, 8, 10])
    if (at < data.length) data[at] = random.pick([0, 1, 2, 3, 4, 8, 12, 0x11, 0x22, 0x41, 0x44, 0xff])
  }),
  process: (bytes, random) => {
    const frame = [...segments(bytes)].find(({ marker }) => isFrame(marker))
    if (frame) bytes[frame.at - 3] = random.between(0xc0, 0xcf)
    return bytes
  },
  tables: inSegment(
    (marker) => marker === 0xdb || marker === 0xc4,
    (data, random) => {
      data[random.below(data.length)] = random.pick([0, 1, 255, random.below(256)])
    },
  ),
  scans: (bytes, random) => {
    // Each scan of a progressive picture goes over all of it once more.
    const at = bytes.lastIndexOf(Buffer.from([0xff, 0xda]))
    if (at < 0) return bytes
    const scan = bytes.subarray(at, Math.max(at, bytes.length - 2))
    const copies = Array.from({ length: random.pick([1, 20, 400]) }, () => scan)
    return Buffer.concat([bytes.subarray(0, at), ...copies, bytes.subarray(at)])
  },
  note: (bytes, random) => {
    const heads = {
      exif: 'Exif\0\0',
      xmp: 'http://ns.adobe.com/xap/1.0/\0',
      icc: `ICC_PROFILE\0${random.pick(['\x01\x01', '\x01\xff', '\0\0'])}`,
      adobe: 'Adobe\0\x64',
    }
    const [kind, head] = random.pick(Object.entries(heads))
    const marker = { exif: 0xe1, xmp: 0xe1, icc: 0xe2, adobe: 0xee }[kind]!
    const copies = Array.from({ length: random.pick([1, 1, 300]) }, () =>
      segment(marker, Buffer.concat([ascii(head), note(random)])),
    )
    return Buffer.concat([bytes.subarray(0, 2), ...copies, bytes.subarray(2)])
  },
  length: (bytes, random) => {
    const found = [...segments(bytes)]
    if (found.length > 0) bytes.writeUInt16BE(random.pick([0, 1, 2, 3, 65535]), random.pick(found).at - 2)
    return bytes
  },
  restart: (bytes, random) =>
    Buffer.concat([
      bytes.subarray(0, 2),
      segment(0xdd, Buffer.from([0, random.below(256)])),
      bytes.subarray(2),
    ]),
}

// WebP: RIFF chunks, little-endian

const anywhereOf =
  (names: readonly string[], change: (bytes: Buffer, at: number, random: Random) => void): Mutation =>
  (bytes, random) => {
    const at = bytes.indexOf(
      random.pick(names.filter((name) => bytes.includes(name, 0, 'latin1')).concat(names[0]!)),
      0,
      'latin1',
    )
    if (at >= 0 && at + 28 < bytes.length) change(bytes, at, random)
    return bytes
  }

const webp: Record<string, Mutation> = {
  canvas: anywhereOf(['VP8X'], (bytes, at, random) =>
    bytes.writeUIntLE(anySide(random, 2 ** 24 - 1), at + random.pick([12, 15]), 3),
  ),
  flags: anywhereOf(['VP8X'], (bytes, at, random) => {
    bytes[at + 8] = random.below(256)
  }),
  size: anywhereOf(['VP8 ', 'VP8L'], (bytes, at, random) =>
    bytes.writeUInt16LE(random.below(65536), at + random.pick([9, 14, 16])),
  ),
  length: anywhereOf(
    ['RIFF', 'VP8 ', 'VP8L', 'VP8X', 'ANIM', 'ANMF', 'ALPH', 'ICCP', 'EXIF', 'XMP '],
    (bytes, at, random) => {
      bytes.writeUInt32LE(random.pick([0, 1, 9, 0x7fffffff, 0xfffffffe, 0xffffffff]), at + 4)
    },
  ),
  frame: anywhereOf(['ANMF'], (bytes, at, random) =>
    bytes.writeUIntLE(anySide(random, 2 ** 24 - 1), at + random.pick([8, 11, 14, 17, 20]), 3),
  ),
  frames: (bytes, random) => {
    const at = bytes.indexOf('ANMF', 0, 'latin1')
    if (at < 0) return bytes
    const length = Math.min(bytes.readUInt32LE(at + 4) + 8, bytes.length - at)
    const copies = Array.from({ length: random.pick([1, 100, 3000]) }, () => bytes.subarray(at, at + length))
    const result = Buffer.concat([bytes, ...copies])
    result.writeUInt32LE(result.length - 8, 4)
    return result
  },
  note: (bytes, random) => {
    const content = note(random)
    const head = Buffer.concat([ascii(random.pick(['EXIF', 'XMP ', 'ICCP'])), Buffer.alloc(4)])
    head.writeUInt32LE(content.length, 4)
    const added = Buffer.concat([head, content, Buffer.alloc(content.length % 2)])
    const at = random.pick([bytes.length, 30])
    const result = Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)])
    result.writeUInt32LE(result.length - 8, 4)
    return result
  },
}

// TIFF: entries of tag, type, count, value or offset

const tiffTags = {
  size: [256, 257],
  kind: [258, 259, 262, 277, 284, 317, 322, 323, 338, 339],
  strips: [273, 278, 279, 324, 325],
}

const inDirectory =
  (tags: readonly number[] | undefined, change: (entry: Entry, random: Random) => void): Mutation =>
  (bytes, random) => {
    const found = [...entries(bytes)].filter(({ tag }) => !tags || tags.includes(tag))
    if (found.length > 0) change(random.pick(found), random)
    return bytes
  }

interface Entry {
  tag: number
  write16(value: number, at: number): void
  write32(value: number, at: number): void
}

function* entries(bytes: Buffer): Generator<Entry> {
  const little = bytes[0] === 0x49
  const [read16, read32, write16, write32] = little
    ? (['readUInt16LE', 'readUInt32LE', 'writeUInt16LE', 'writeUInt32LE'] as const)
    : (['readUInt16BE', 'readUInt32BE', 'writeUInt16BE', 'writeUInt32BE'] as const)
  if (bytes[read16](2) !== 42) return // BigTIFF: damaged in the general ways
  const at = bytes[read32](4)
  if (at + 2 > bytes.length) return
  for (
    let entry = at + 2, left = bytes[read16](at);
    left > 0 && entry + 16 <= bytes.length;
    left--, entry += 12
  ) {
    yield {
      tag: bytes[read16](entry),
      write16: (value, offset) => bytes[write16](value, entry + offset),
      write32: (value, offset) => bytes[write32](value, entry + offset),
    }
  }
}

const tiff: Record<string, Mutation> = {
  size: inDirectory(tiffTags.size, (entry, random) => {
    entry.write16(4, 2) // as a 32-bit number
    entry.write32(anySide(random, 2 ** 31), 8)
  }),
  kind: inDirectory(tiffTags.kind, (entry, random) =>
    entry.write16(random.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 32773, 34712, 65535]), 8),
  ),
  strips: inDirectory(tiffTags.strips, (entry, random) =>
    entry.write32(random.pick([0, 1, 8, 0x7fffffff, 0xffffffff]), random.pick([4, 8])),
  ),
  entry: inDirectory(undefined, (entry, random) => {
    entry.write16(random.pick([254, 256, 270, 273, 320, 330, 347, 700, 34675, 34665, 65535]), 0)
    if (random.below(2)) entry.write32(random.pick([0, 8, 0xffff, 0xffffffff]), random.pick([4, 8]))
  }),
  /** Pages that lead round in a circle. */
  circle: (bytes) => {
    const little = bytes[0] === 0x49
    const at = little ? bytes.readUInt32LE(4) : bytes.readUInt32BE(4)
    if (at + 2 > bytes.length) return bytes
    const next = at + 2 + (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at)) * 12
    if (next + 4 > bytes.length) return bytes
    bytes.writeUInt32BE(0, next)
    bytes.copy(bytes, next, 4, 8)
    return bytes
  },
}

// GIF

const gif: Record<string, Mutation> = {
  screen: (bytes, random) => {
    bytes.writeUInt16LE(anySide(random, 65535), random.pick([6, 8]))
    return bytes
  },
  frame: anywhereOf(['\x2c'], (bytes, at, random) =>
    bytes.writeUInt16LE(anySide(random, 65535), at + random.pick([1, 3, 5, 7])),
  ),
  flags: (bytes, random) => {
    bytes[10] = random.below(256)
    return bytes
  },
  frames: (bytes, random) => {
    const at = bytes.indexOf('\x21\xf9', 0, 'latin1')
    if (at < 0) return bytes
    const frame = bytes.subarray(at, bytes.length - 1)
    const copies = Array.from({ length: random.pick([1, 100, 3000]) }, () => frame)
    return Buffer.concat([bytes.subarray(0, at), ...copies, Buffer.from([0x3b])])
  },
}

// AVIF: boxes of length and type

const avif: Record<string, Mutation> = {
  size: anywhereOf(['ispe'], (bytes, at, random) =>
    bytes.writeUInt32BE(anySide(random, 2 ** 31), at + random.pick([8, 12])),
  ),
  length: anywhereOf(
    ['meta', 'ftyp', 'iloc', 'iinf', 'iprp', 'ipco', 'mdat', 'pixi', 'colr', 'av1C'],
    (bytes, at, random) => {
      if (at >= 4) bytes.writeUInt32BE(random.pick([0, 1, 4, 8, 0x7fffffff, 0xffffffff]), at - 4)
    },
  ),
  places: anywhereOf(['iloc'], (bytes, at, random) =>
    bytes.writeUInt32BE(random.pick([0, 1, 0xffff, 0xffffffff]), at + random.between(8, 24)),
  ),
  kind: anywhereOf(
    ['pixi', 'av1C', 'colr', 'ipma', 'pitm', 'hdlr', 'irot', 'auxC', 'iref'],
    (bytes, at, random) => {
      bytes[at + random.between(4, 20)] = random.below(256)
    },
  ),
  type: anywhereOf(['av01', 'meta', 'ispe', 'iloc', 'hdlr', 'colr'], (bytes, at, random) => {
    bytes.write(random.pick(['grid', 'iovl', 'iden', 'hvc1', 'free', 'Exif', 'mime', 'av01']), at, 'latin1')
  }),
}

// SVG

const inside =
  (content: (random: Random) => string): Mutation =>
  (bytes, random) => {
    const text = bytes.toString('latin1')
    const at = text.lastIndexOf('</svg>')
    return ascii(at < 0 ? text : `${text.slice(0, at)}${content(random)}${text.slice(at)}`)
  }

const svg: Record<string, Mutation> = {
  size: (bytes, random) => {
    const side = random.pick(['0', '-1', '1e9', '99999', '5000', '1e-9', 'NaN', '100%', '3000in'])
    return ascii(
      bytes
        .toString('latin1')
        .replace(random.pick([/width="\d+"/, /height="\d+"/]), (match) => `${match.split('=')[0]}="${side}"`),
    )
  },
  outside: inside((random) => {
    const address = random.pick([
      'file:///etc/passwd',
      '/etc/hostname',
      'http://127.0.0.1:9/x.png',
      '../../secret.png',
      'data:image/png;base64,AAAA',
    ])
    return random.pick([
      `<image xlink:href="${address}" width="99" height="99"/>`,
      `<style>@import url("${address}"); text { font-family: x } @font-face { font-family: x; src: url("${address}") }</style>`,
      `<use xlink:href="${address}#a"/>`,
    ])
  }),
  entities: (bytes) =>
    ascii(
      `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa">${entities}<!ENTITY file SYSTEM "file:///etc/passwd">]>${bytes.toString('latin1').replace('</svg>', '<text y="30">&j;&file;</text></svg>')}`,
    ),
  circle: inside(
    () => '<g id="x"><use xlink:href="#y"/></g><g id="y"><use xlink:href="#x"/></g><use xlink:href="#x"/>',
  ),
  deep: inside((random) => {
    const depth = random.pick([10, 300, 5000])
    return '<g>'.repeat(depth) + '</g>'.repeat(depth)
  }),
  many: inside((random) => {
    const levels = random.pick([2, 5, 8])
    return Array.from(
      { length: levels },
      (_, level) => `<g id="l${level}">${`<use xlink:href="#l${level - 1}"/>`.repeat(10)}</g>`,
    ).join('')
  }),
  filter: inside(
    (random) =>
      `<filter id="f"><feGaussianBlur stdDeviation="${random.pick([1, 500, 1e6])}"/><feMorphology radius="${random.pick([1, 40])}"/></filter><rect width="99%" height="99%" filter="url(#f)"/>`,
  ),
}
