/**
 * Draws the sample pictures: `node --import tsx samples/draw.ts`. Vector drawings with gradients and soft shadows, on
 * graded studio backdrops, photographed with a little sensor noise and vignette; the same every time.
 */
import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import sharp, { type Sharp } from 'sharp'

const folder = fileURLToPath(new URL('photos/', import.meta.url))

interface Scene {
  width: number
  height: number
  /** Backdrop, top to bottom. */
  backdrop: [string, string]
  /** Where the subject stands: centre and half width of its shadow. */
  shadow: [x: number, y: number, reach: number]
  /** SVG of the subject and the gradients it uses. */
  subject: string
  defs?: string
}

const across = (id: string, ...stops: [offset: number, color: string][]): string =>
  `<linearGradient id="${id}">${stops.map(([offset, color]) => `<stop offset="${offset}" stop-color="${color}"/>`).join('')}</linearGradient>`
const ball = (id: string, light: string, middle: string, dark: string): string =>
  `<radialGradient id="${id}" cx="0.36" cy="0.3" r="0.75"><stop offset="0" stop-color="${light}"/><stop offset="0.45" stop-color="${middle}"/><stop offset="1" stop-color="${dark}"/></radialGradient>`

/** Leaves, petals, strands: one shape turned about a point. */
const around = (
  count: number,
  x: number,
  y: number,
  shape: (index: number) => string,
  from = 0,
  to = 360,
): string =>
  Array.from(
    { length: count },
    (_, index) =>
      `<g transform="translate(${x} ${y}) rotate(${from + ((to - from) * index) / Math.max(1, count - 1)})">${shape(index)}</g>`,
  ).join('')

const scenes: Record<string, Scene> = {
  mug: {
    width: 1200,
    height: 1000,
    backdrop: ['#dfe3e6', '#b9c0c6'],
    shadow: [560, 800, 330],
    defs:
      across('g', [0, '#7a1f16'], [0.25, '#d9583f'], [0.4, '#ffb9a2'], [0.5, '#d4513a'], [1, '#66170f']) +
      across('in', [0, '#5b140d'], [1, '#a33a2a']),
    subject: `<path d="M770 400c170-40 220 60 190 170-26 96-110 140-206 120" fill="none" stroke="url(#g)" stroke-width="52" stroke-linecap="round"/>
      <path d="M330 300h460l-30 470c-4 50-396 50-400 0z" fill="url(#g)"/><ellipse cx="560" cy="300" rx="230" ry="52" fill="#c34a35"/><ellipse cx="560" cy="304" rx="206" ry="40" fill="url(#in)"/>
      <path d="M352 470h416l-6 60H358z" fill="#f7e7d2" opacity="0.92"/><path d="M420 330l16 400" stroke="#ffe1d6" stroke-width="14" opacity="0.45" stroke-linecap="round"/>`,
  },
  vase: {
    width: 1000,
    height: 1300,
    backdrop: ['#f0e6d8', '#d8c4aa'],
    shadow: [500, 1130, 250],
    defs:
      across('g', [0, '#0f3b4a'], [0.3, '#2f8fa3'], [0.42, '#c9f3f5'], [0.55, '#2b8498'], [1, '#0a2731']) +
      across('gold', [0, '#7b5a18'], [0.4, '#ffe9a3'], [1, '#6b4a10']),
    subject: `<path d="M430 300h140c0 110 30 150 120 260 120 150 70 470-60 560H370c-130-90-180-410-60-560 90-110 120-150 120-260z" fill="url(#g)"/>
      <path d="M281 690q219 70 438 0l16 44q-235 76-470 0zM262 850q238 70 476 0v44q-238 70-476 0z" fill="url(#gold)"/><ellipse cx="500" cy="300" rx="84" ry="24" fill="url(#gold)"/><ellipse cx="500" cy="302" rx="66" ry="15" fill="#08222b"/>`,
  },
  bottle: {
    width: 900,
    height: 1300,
    backdrop: ['#ffffff', '#e6e9ec'],
    shadow: [450, 1150, 190],
    defs:
      across(
        'g',
        [0, '#0c2f17'],
        [0.2, '#1f6b34'],
        [0.3, '#9fe0a8'],
        [0.36, '#23753a'],
        [0.8, '#10401f'],
        [1, '#1d5a2d'],
      ) + across('cap', [0, '#2b2117'], [0.4, '#b08a5a'], [1, '#241a11']),
    subject: `<path d="M400 330h100c0 110 20 130 66 190 40 50 44 100 44 160v420c0 50-20 60-60 60H350c-40 0-60-10-60-60V680c0-60 4-110 44-160 46-60 66-80 66-190z" fill="url(#g)"/>
      <rect x="392" y="200" width="116" height="150" rx="12" fill="url(#cap)"/><rect x="290" y="730" width="320" height="260" fill="#f4ecd8"/><rect x="310" y="752" width="280" height="216" fill="none" stroke="#8a6a2f" stroke-width="5"/>
      <circle cx="450" cy="830" r="44" fill="#8a2f24"/><path d="M360 920h180M390 945h120" stroke="#3b3226" stroke-width="9"/>`,
  },
  'toy-car': {
    width: 1400,
    height: 900,
    backdrop: ['#cfe3ee', '#9fc3d6'],
    shadow: [700, 690, 470],
    defs:
      across('w', [0, '#7a4a20'], [0.5, '#d79a55'], [1, '#8b5a2b']) +
      ball('b', '#fff3b0', '#f2b21b', '#a86a00') +
      ball('r', '#777', '#222', '#050505'),
    subject: `<path d="M230 620c-20-120 40-190 170-200l120-150c30-30 60-40 110-40h230c60 0 90 20 130 60l140 130c130 10 180 60 170 200z" fill="url(#b)"/>
      <path d="M470 410l90-110c16-20 34-26 66-26h50v136zM730 274h120c40 0 60 10 90 40l96 96H730z" fill="#dff1fb" stroke="#8a5c00" stroke-width="8"/>
      ${[430, 1010].map((x) => `<circle cx="${x}" cy="630" r="108" fill="url(#r)"/><circle cx="${x}" cy="630" r="56" fill="url(#w)"/><circle cx="${x}" cy="630" r="14" fill="#40240d"/>`).join('')}
      <circle cx="252" cy="540" r="30" fill="#fffbe0"/><rect x="640" y="470" width="110" height="16" rx="8" fill="#a86a00"/>`,
  },
  ring: {
    width: 1100,
    height: 1100,
    backdrop: ['#2d2f36', '#17181d'],
    shadow: [550, 900, 230],
    defs:
      across('g', [0, '#6e4e0e'], [0.2, '#f8dd86'], [0.45, '#a9781b'], [0.7, '#ffefb5'], [1, '#75520f']) +
      ball('d', '#ffffff', '#bfe6ff', '#3d7fb8'),
    subject: `<ellipse cx="550" cy="650" rx="240" ry="250" fill="none" stroke="url(#g)" stroke-width="62"/><ellipse cx="550" cy="650" rx="214" ry="224" fill="none" stroke="#fff6cf" stroke-width="6" opacity="0.7"/>
      <path d="M430 330l60-90h120l60 90-120 130z" fill="url(#d)"/><path d="M430 330h240M490 240l60 90 60-90M490 330l60 130 60-130" stroke="#ffffff" stroke-width="4" fill="none" opacity="0.85"/>`,
  },
  headphones: {
    width: 1200,
    height: 1200,
    backdrop: ['#f6c9b0', '#e5a283'],
    shadow: [600, 1010, 330],
    defs:
      ball('c', '#6b7a8f', '#2d3848', '#10161f') +
      across('h', [0, '#1a212c'], [0.5, '#5b6a80'], [1, '#151b24']),
    subject: `<path d="M290 720c-40-330 130-500 310-500s350 170 310 500" fill="none" stroke="url(#h)" stroke-width="56"/><path d="M318 640c-10-260 130-380 282-380s292 120 282 380" fill="none" stroke="#8fa0b8" stroke-width="8" opacity="0.6"/>
      <rect x="200" y="640" width="170" height="330" rx="80" fill="url(#c)"/><rect x="830" y="640" width="170" height="330" rx="80" fill="url(#c)"/><rect x="350" y="668" width="56" height="274" rx="28" fill="#3d4b60"/><rect x="794" y="668" width="56" height="274" rx="28" fill="#3d4b60"/>`,
  },
  plant: {
    width: 1000,
    height: 1250,
    backdrop: ['#eef0ea', '#cdd2c6'],
    shadow: [500, 1110, 230],
    defs:
      across('p', [0, '#7c3d1e'], [0.35, '#e08a56'], [0.5, '#f7b48a'], [1, '#6e3418']) +
      across('l', [0, '#0e4a24'], [0.5, '#3fa35a'], [1, '#0d3d1f']),
    subject: `${around(11, 500, 760, (index) => `<path d="M0 0C-54-120-50-${250 + (index % 3) * 60} 0-${380 + (index % 3) * 70}C50-${250 + (index % 3) * 60} 54-120 0 0z" fill="url(#l)" stroke="#0b3319" stroke-width="3"/><path d="M0 0V-${330 + (index % 3) * 60}" stroke="#bfe6c2" stroke-width="4" opacity="0.6"/>`, -72, 72)}
      <path d="M330 740h340l-44 350c-4 30-248 30-252 0z" fill="url(#p)"/><rect x="312" y="720" width="376" height="66" rx="16" fill="url(#p)"/>`,
  },
  ball: {
    width: 1100,
    height: 1000,
    backdrop: ['#3f66b0', '#2a4a8c'],
    shadow: [550, 830, 300],
    defs: ball('f', '#fff2dd', '#e9b87d', '#8a5426'),
    subject: `${around(900, 550, 540, (index) => `<path d="M-3 0Q${((index * 37) % 24) - 12} -250 ${((index * 29) % 20) - 10} -${292 + ((index * 71) % 40)}Q4 -200 3 0z" fill="url(#f)" opacity="0.9"/>`)}
      <circle cx="550" cy="540" r="275" fill="url(#f)"/>${[450, 650].map((x) => `<circle cx="${x}" cy="500" r="54" fill="#fff"/><circle cx="${x + 6}" cy="510" r="32" fill="#1b120c"/><circle cx="${x + 18}" cy="496" r="10" fill="#fff"/>`).join('')}
      <path d="M470 640q80 70 160 0" stroke="#5b2b14" stroke-width="16" fill="none" stroke-linecap="round"/>`,
  },
}

/** The scene as a camera sees it. */
async function photograph(
  { width, height, backdrop, shadow, subject, defs }: Scene,
  seed: number,
): Promise<Sharp> {
  const [x, y, reach] = shadow
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <defs><linearGradient id="bg" x2="0" y2="1"><stop offset="0" stop-color="${backdrop[0]}"/><stop offset="1" stop-color="${backdrop[1]}"/></linearGradient>
    <filter id="soft" x="-50%" y="-200%" width="200%" height="500%"><feGaussianBlur stdDeviation="${reach / 8}"/></filter>${defs ?? ''}</defs>
    <rect width="100%" height="100%" fill="url(#bg)"/><ellipse cx="${x}" cy="${y}" rx="${reach}" ry="${reach / 9}" fill="#000" opacity="0.34" filter="url(#soft)"/>${subject}</svg>`
  const { data, info } = await sharp(Buffer.from(svg))
    .removeAlpha()
    .blur(0.6)
    .raw()
    .toBuffer({ resolveWithObject: true })
  let state = seed
  for (let index = 0; index < data.length; index++) {
    state = (state * 1103515245 + 12345) % 2 ** 31
    const pixel = Math.floor(index / 3)
    const [u, v] = [(pixel % width) / width - 0.5, Math.floor(pixel / width) / height - 0.5]
    const noise = ((state >> 12) % 256) / 128 - 1
    data[index] = Math.max(0, Math.min(255, data[index]! * (1 - 0.12 * (u * u + v * v)) + noise * 2.2))
  }
  return sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } })
}

await mkdir(folder, { recursive: true })
for (const [seed, [name, scene]] of Object.entries(scenes).entries()) {
  const picture = await photograph(scene, seed + 1)
  const path = (extension: string) => `${folder}${name}.${extension}`
  // Not all alike, as in a real folder.
  if (name === 'ring') await picture.webp({ quality: 88 }).toFile(path('webp'))
  else if (name === 'headphones')
    await picture.png({ palette: false, compressionLevel: 9 }).resize(700).toFile(path('png'))
  else if (name === 'bottle')
    await sharp(await picture.png().toBuffer())
      .rotate(270)
      .withMetadata({ orientation: 6 })
      .jpeg({ quality: 88 })
      .toFile(path('jpg'))
  else await picture.jpeg({ quality: 88 }).toFile(path('jpg'))
}
