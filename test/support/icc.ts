/** Small color profiles (ICC.1:2001) with one gamma, made for tests. */

/** Relative to the white of D50, as profiles have them. */
const primaries = {
  sRGB: { r: [0.4361, 0.2225, 0.0139], g: [0.3851, 0.7169, 0.0971], b: [0.1431, 0.0606, 0.7141] },
  AdobeRGB: { r: [0.6097, 0.3111, 0.0195], g: [0.2053, 0.6257, 0.0609], b: [0.1492, 0.0632, 0.7446] },
} as const
const white = [0.9642, 1, 0.8249]

/** @param colors one gray, or RGB with these primaries */
export function profile(colors: 'gray' | keyof typeof primaries, gamma: number): Buffer {
  const curve = Buffer.alloc(16)
  curve.write('curv', 'latin1')
  curve.writeUInt32BE(1, 8)
  curve.writeUInt16BE(Math.round(gamma * 256), 12)
  const tags: [name: string, content: Buffer][] = [
    ['desc', description],
    ['wtpt', xyz(white)],
    ...(colors === 'gray'
      ? [['kTRC', curve] as [string, Buffer]]
      : (['r', 'g', 'b'] as const).flatMap((channel): [string, Buffer][] => [
          [`${channel}XYZ`, xyz(primaries[colors][channel])],
          [`${channel}TRC`, curve],
        ])),
  ]
  const table = Buffer.alloc(4 + 12 * tags.length)
  table.writeUInt32BE(tags.length)
  let end = 128 + table.length
  for (const [index, [name, content]] of tags.entries()) {
    table.write(name, 4 + 12 * index, 'latin1')
    table.writeUInt32BE(end, 8 + 12 * index)
    table.writeUInt32BE(content.length, 12 + 12 * index)
    end += content.length
  }
  const header = Buffer.alloc(128)
  header.writeUInt32BE(end)
  header.writeUInt32BE(0x02100000, 8)
  header.write(`mntr${colors === 'gray' ? 'GRAY' : 'RGB '}XYZ `, 12, 'latin1')
  header.write('acsp', 36, 'latin1')
  xyz(white).copy(header, 68, 8)
  return Buffer.concat([header, table, ...tags.map(([, content]) => content)])
}

const description = Buffer.alloc(104)
description.write('desc', 'latin1')
description.writeUInt32BE(5, 8)
description.write('test', 12, 'latin1')

function xyz(values: readonly number[]): Buffer {
  const tag = Buffer.alloc(20)
  tag.write('XYZ ', 'latin1')
  for (const [index, value] of values.entries()) tag.writeInt32BE(Math.round(value * 65536), 8 + 4 * index)
  return tag
}
