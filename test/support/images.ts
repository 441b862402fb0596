/** Pictures made for tests: one coloured subject in front of a plain backdrop, no two alike. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'

/** @param seed decides colours, place and size of the subject: another seed is another picture */
export function picture(seed: number, width = 160, height = 120): Sharp {
  const hue = (seed * 47) % 360
  const radius = 20 + (seed % 17)
  const subject = Buffer.from(
    `<svg width="${width}" height="${height}" xmlns="http://www.w3.org/2000/svg">
      <rect width="100%" height="100%" fill="hsl(${(hue + 180) % 360}, 12%, ${84 + (seed % 7)}%)"/>
      <ellipse cx="${width / 2 + (seed % 11) - 5}" cy="${height / 2}" rx="${radius + 8}" ry="${radius}" fill="hsl(${hue}, 70%, 38%)"/>
      <circle cx="${width / 2}" cy="${height / 2 - (seed % 9)}" r="${radius / 3}" fill="hsl(${(hue + 40) % 360}, 80%, 55%)"/>
    </svg>`,
  )
  // Flattened: what follows decides about alpha itself.
  return sharp(subject).flatten().removeAlpha()
}

/** A second frame or page below the first, as sharp wants animations. */
async function frames(seed: number): Promise<Sharp> {
  const first = await picture(seed).raw().toBuffer()
  const second = await picture(seed + 1000)
    .raw()
    .toBuffer()
  return sharp(Buffer.concat([first, second]), {
    raw: { width: 160, height: 240, channels: 3, pageHeight: 120 },
  })
}

async function withAlpha(seed: number): Promise<Sharp> {
  const { data, info } = await picture(seed).ensureAlpha().raw().toBuffer({ resolveWithObject: true })
  for (let y = 0; y < info.height; y++) {
    for (let x = 0; x < info.width; x++) data[(y * info.width + x) * 4 + 3] = Math.min(255, x * 4)
  }
  return sharp(data, { raw: { width: info.width, height: info.height, channels: 4 } })
}

const sixteenBit = (seed: number): Sharp => picture(seed).toColourspace('rgb16')

/** Every kind of file `process` promises to read. */
export const goodFormats: Record<string, (seed: number) => Promise<Buffer> | Buffer> = {
  'baseline.jpg': (seed) => picture(seed).jpeg().toBuffer(),
  'progressive.jpeg': (seed) => picture(seed).jpeg({ progressive: true }).toBuffer(),
  'cmyk.jpg': (seed) => picture(seed).toColourspace('cmyk').withIccProfile('cmyk').jpeg().toBuffer(),
  'p3.jpg': (seed) => picture(seed).withIccProfile('p3').jpeg().toBuffer(),
  'turned.jpg': (seed) => picture(seed).withMetadata({ orientation: 6 }).jpeg().toBuffer(),
  'grey.jpg': (seed) => picture(seed).greyscale().jpeg().toBuffer(),
  'rgb.png': (seed) => picture(seed).png().toBuffer(),
  'alpha.png': async (seed) => (await withAlpha(seed)).png().toBuffer(),
  'sixteen.png': (seed) => sixteenBit(seed).png().toBuffer(),
  'palette.png': (seed) => picture(seed).png({ palette: true }).toBuffer(),
  'lossy.webp': (seed) => picture(seed).webp().toBuffer(),
  'alpha.webp': async (seed) => (await withAlpha(seed)).webp({ lossless: true }).toBuffer(),
  'moving.webp': async (seed) => (await frames(seed)).webp().toBuffer(),
  'eight.avif': (seed) => picture(seed).avif({ effort: 0 }).toBuffer(),
  'plain.tiff': (seed) => picture(seed).tiff().toBuffer(),
  'sixteen.tif': (seed) => sixteenBit(seed).tiff({ compression: 'lzw' }).toBuffer(),
  'cmyk.tif': (seed) => picture(seed).toColourspace('cmyk').withIccProfile('cmyk').tiff().toBuffer(),
  'moving.gif': async (seed) => (await frames(seed)).gif().toBuffer(),
}

/** Every way a file can be broken, with the code its row must carry. */
export const brokenFiles: Record<
  string,
  { make: (path: string, seed: number) => Promise<void>; code: string }
> = {
  'truncated.jpg': {
    make: async (path, seed) => {
      const bytes = await picture(seed, 640, 480).jpeg().toBuffer()
      await writeFile(path, bytes.subarray(0, bytes.length / 2))
    },
    code: 'INPUT_CORRUPT',
  },
  'truncated.png': {
    make: async (path, seed) => {
      const bytes = await picture(seed, 640, 480).png().toBuffer()
      await writeFile(path, bytes.subarray(0, bytes.length / 2))
    },
    code: 'INPUT_CORRUPT',
  },
  'truncated.webp': {
    make: async (path, seed) => {
      const bytes = await picture(seed, 640, 480).webp().toBuffer()
      await writeFile(path, bytes.subarray(0, bytes.length / 2))
    },
    code: 'INPUT_CORRUPT',
  },
  'empty.jpg': { make: (path) => writeFile(path, ''), code: 'INPUT_EMPTY' },
  'zip-inside.png': {
    make: (path, seed) =>
      writeFile(path, Buffer.concat([Buffer.from('PK\u0003\u0004'), Buffer.alloc(500, seed)])),
    code: 'INPUT_UNSUPPORTED',
  },
  'text.jpg': {
    make: (path, seed) => writeFile(path, `shopping list ${seed}\n`.repeat(20)),
    code: 'INPUT_UNSUPPORTED',
  },
  'drawing.jpg': {
    make: (path, seed) =>
      writeFile(
        path,
        `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="${seed}"/></svg>`,
      ),
    code: 'INPUT_UNSUPPORTED',
  },
  'bomb.png': {
    make: async (path, seed) => {
      // 40,000 x 40,000 pixels in a few kilobytes of header and nothing.
      const bytes = await picture(seed).png().toBuffer()
      bytes.writeUInt32BE(40_000, 16)
      bytes.writeUInt32BE(40_000, 20)
      bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29)
      await writeFile(path, bytes)
    },
    code: 'INPUT_TOO_LARGE',
  },
  'unreadable.jpg': {
    make: async (path, seed) => {
      await writeFile(path, await picture(seed).jpeg().toBuffer())
      await chmod(path, 0o000)
    },
    code: 'INPUT_UNREADABLE',
  },
  'folder.jpg': { make: async (path) => void (await mkdir(path)), code: 'INPUT_IS_FOLDER' },
}

/** Writes `count` good and `broken` broken files into subfolders of `folder`. */
export async function writeMixedFiles(folder: string, count: number, broken: number): Promise<void> {
  const formats = Object.entries(goodFormats)
  for (let seed = 0; seed < count; seed++) {
    const [name, make] = formats[seed % formats.length]!
    await write(join(folder, `shelf-${seed % 5}`, `${seed}-${name}`), await make(seed))
  }
  const faults = Object.entries(brokenFiles)
  for (let index = 0; index < broken; index++) {
    const [name, { make }] = faults[index % faults.length]!
    const path = join(folder, `shelf-${index % 5}`, `broken-${index}-${name}`)
    await mkdir(dirname(path), { recursive: true })
    await make(path, 5000 + index)
  }
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytes)
}
