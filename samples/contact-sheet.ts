/**
 * Puts pictures above their cut-outs on a checkerboard, a row for each folder of cut-outs:
 * `node --import tsx samples/contact-sheet.ts samples/photos cutouts samples/contact-sheet.jpg`
 */
import { access, readdir } from 'node:fs/promises'
import { join, parse } from 'node:path'
import sharp, { type OverlayOptions } from 'sharp'

const [photos, ...rest] = process.argv.slice(2)
const target = rest.pop()
if (!photos || rest.length === 0 || !target)
  throw new Error('Usage: contact-sheet.ts PHOTOS CUTOUTS... TARGET.jpg')
const rows = 1 + rest.length

const columns = 8
const tile = { width: 200, height: 220 }
const gap = 8

const checks = Buffer.from(
  `<svg xmlns="http://www.w3.org/2000/svg" width="${tile.width}" height="${tile.height}"><defs><pattern id="c" width="20" height="20" patternUnits="userSpaceOnUse"><rect width="20" height="20" fill="#fff"/><path d="M0 0h10v10H0zM10 10h10v10H10z" fill="#dcdfe4"/></pattern></defs><rect width="100%" height="100%" fill="url(#c)"/></svg>`,
)

async function cutoutOf(name: string, folder: string): Promise<string> {
  const short = join(folder, `${parse(name).name}.png`)
  return access(short).then(
    () => short,
    () => join(folder, `${name}.png`),
  )
}

const names = (await readdir(photos)).filter((name) => /\.(jpg|png|webp)$/.test(name)).sort()
const tiles: OverlayOptions[] = []
for (const [index, name] of names.entries()) {
  const left = gap + (index % columns) * (tile.width + gap)
  const top = gap + Math.floor(index / columns) * rows * (tile.height + gap)
  const photo = await sharp(join(photos, name))
    .autoOrient()
    .resize({ ...tile, fit: 'contain', background: '#f4f5f7' })
    .toBuffer()
  tiles.push({ input: photo, left, top })
  for (const [row, folder] of rest.entries()) {
    const cutout = await sharp(await cutoutOf(name, folder))
      .resize({ ...tile, fit: 'contain', background: 'transparent' })
      .png()
      .toBuffer()
    const onChecks = await sharp(checks)
      .composite([{ input: cutout }])
      .png()
      .toBuffer()
    tiles.push({ input: onChecks, left, top: top + (row + 1) * (tile.height + gap) })
  }
}
const shown = Math.min(columns, names.length)
await sharp({
  create: {
    width: gap + shown * (tile.width + gap),
    height: gap + Math.ceil(names.length / columns) * rows * (tile.height + gap),
    channels: 3,
    background: '#f4f5f7',
  },
})
  .composite(tiles)
  .jpeg({ quality: 86 })
  .toFile(target)
