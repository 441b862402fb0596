/** Damaged pictures without end: valid files of every format, each broken in up to three of the ways that formats know. */
import { goodFormats, picture } from '../support/images.ts'
import { type Mutation, mutationsOf } from './headers.ts'
import { randomFrom } from './random.ts'

export interface Mutant {
  /** Tells what it was and what was done to it. */
  name: string
  bytes: Buffer
}

const notes = {
  exif: { IFD0: { Copyright: 'The owner', Artist: 'The author', ImageDescription: 'A cup' } },
  xmp: `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator><rdf:Seq><rdf:li>A &amp; B</rdf:li></rdf:Seq></dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>`,
}
const noted = (seed: number) => picture(seed).withExif(notes.exif).withXmp(notes.xmp).withIccProfile('p3')

/** Every kind of file that is promised to be read, and kinds that take other ways through the decoders. */
const kinds: Record<string, (seed: number) => Promise<Buffer> | Buffer> = {
  ...goodFormats,
  'noted.jpg': (seed) => noted(seed).jpeg().toBuffer(),
  'noted.png': (seed) => noted(seed).png().toBuffer(),
  'noted.webp': (seed) => noted(seed).webp().toBuffer(),
  'noted.avif': (seed) => noted(seed).avif({ effort: 0 }).toBuffer(),
  'noted.tif': (seed) => noted(seed).tiff().toBuffer(),
  'interlaced.png': (seed) => picture(seed).png({ progressive: true }).toBuffer(),
  'deep.avif': (seed) => picture(seed).avif({ effort: 0, bitdepth: 12 }).toBuffer(),
  'float.tif': (seed) => picture(seed).toColourspace('scrgb').tiff({ compression: 'deflate' }).toBuffer(),
  'tiled.tif': (seed) =>
    picture(seed).tiff({ tile: true, tileWidth: 64, tileHeight: 64, pyramid: true }).toBuffer(),
  'jpeg.tif': (seed) => picture(seed).tiff({ compression: 'jpeg' }).toBuffer(),
  'fax.tif': (seed) =>
    picture(seed).toColourspace('b-w').tiff({ bitdepth: 1, compression: 'ccittfax4' }).toBuffer(),
  'big.tif': (seed) => picture(seed).tiff({ bigtiff: true, compression: 'lzw' }).toBuffer(),
  'drawing.svg': (seed) =>
    Buffer.from(
      `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="160" height="120"><defs><g id="a"><rect width="160" height="120" fill="#ddd"/></g></defs><use xlink:href="#a"/><circle cx="80" cy="60" r="${20 + seed}" fill="navy"/><text x="9" y="20">cup</text></svg>`,
    ),
}

/** Ways to break any file, whatever is in it. */
const anywhere: Record<string, Mutation> = {
  flip: (bytes, random) => {
    for (let count = random.between(1, 40); count > 0; count--) {
      const at = random.below(bytes.length)
      bytes[at] = bytes[at]! ^ (1 << random.below(8))
    }
    return bytes
  },
  flipHeader: (bytes, random) => {
    for (let count = random.between(1, 8); count > 0; count--) {
      bytes[random.below(Math.min(bytes.length, 512))] = random.pick([
        0,
        1,
        0x7f,
        0x80,
        0xff,
        random.below(256),
      ])
    }
    return bytes
  },
  truncate: (bytes, random) => bytes.subarray(0, random.between(1, bytes.length)),
  swap: (bytes, random) => {
    const size = random.between(1, Math.ceil(bytes.length / 4))
    const [from, to] = [random.below(bytes.length - size + 1), random.below(bytes.length - size + 1)]
    const kept = Buffer.from(bytes.subarray(to, to + size))
    bytes.copyWithin(to, from, from + size)
    kept.copy(bytes, from)
    return bytes
  },
  repeat: (bytes, random) => {
    const from = random.below(bytes.length)
    const block = bytes.subarray(from, from + random.between(1, 2000))
    const copies = Array.from({ length: random.pick([1, 2, 50]) }, () => block)
    return Buffer.concat([bytes.subarray(0, from), ...copies, bytes.subarray(from)])
  },
  blank: (bytes, random) => {
    const from = random.below(bytes.length)
    return bytes.fill(random.pick([0, 0xff]), from, random.between(from, bytes.length))
  },
  insert: (bytes, random) => {
    const at = random.below(bytes.length)
    const block = random.bytes(random.pick([1, 2, 4, 100, 3000]))
    return Buffer.concat([bytes.subarray(0, at), block, bytes.subarray(at)])
  },
  remove: (bytes, random) => {
    const at = random.below(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.between(1, 500))])
  },
  /** Numbers that overflow, where a number may be. */
  extreme: (bytes, random) => {
    if (bytes.length < 8) return bytes
    const at = random.below(Math.min(bytes.length, 2048) - 4)
    const value = random.pick([0, 1, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff])
    if (random.below(2)) bytes.writeUInt32BE(value, at)
    else bytes.writeUInt32LE(value, at)
    return bytes
  },
  junkBehind: (bytes, random) => Buffer.concat([bytes, random.bytes(random.between(1, 4000))]),
}

/** Nothing larger is enlarged further. */
const mostBytes = 2 ** 20

const sources = new Map<string, Promise<Buffer>>()

function source(kind: string, seed: number): Promise<Buffer> {
  const key = `${kind} ${seed}`
  const made = sources.get(key) ?? Promise.resolve(kinds[kind]!(seed))
  sources.set(key, made)
  return made
}

/** The mutants of a seed, always the same ones. */
export async function* mutants(seed: number, count: number): AsyncGenerator<Mutant> {
  const names = Object.keys(kinds)
  for (let number = 0; number < count; number++) {
    const random = randomFrom(seed * 1_000_003 + number)
    const kind = names[(seed + number) % names.length]!
    let bytes = Buffer.from(await source(kind, random.between(1, 5)))
    const done: string[] = []
    for (let steps = random.pick([1, 1, 1, 2, 3]); steps > 0; steps--) {
      if (bytes.length === 0 || bytes.length > mostBytes) break
      const special = mutationsOf(bytes)
      const [how, mutate] = random.pick([
        ...Object.entries(random.below(2) && Object.keys(special).length > 0 ? special : anywhere),
      ])
      bytes = Buffer.from(mutate(bytes, random))
      done.push(how)
    }
    if (random.below(20) === 0) {
      const other = await source(random.pick(names), 1)
      bytes = Buffer.concat(random.below(2) ? [bytes, other] : [other, bytes])
      done.push('joined')
    }
    // A folder is searched for pictures only, and the content decides what a file is.
    const name = `${String(number).padStart(5, '0')}-${done.join('-')}-${kind.replace(/svg$/, 'svg.png')}`
    yield { name, bytes }
  }
}
