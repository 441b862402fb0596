/** TIFF files of every kind, byte by byte: sharp writes only the usual ones. */

export interface TiffOptions {
  /** One pixel, with the samples beyond its color at the end. All pixels are alike. */
  pixel: readonly number[]
  width?: number
  height?: number
  /** Bits per sample: 8, 16, 32 or 64. */
  bits?: number
  /** 1 for unsigned integers, 2 for signed ones, 3 for floating point. */
  sampleFormat?: number
  /** 1 for grey, 2 for RGB, 5 for CMYK, 8 for LAB. */
  photometric?: number
  /** 0 for anything, 1 for associated alpha, 2 for unassociated alpha. Without it, the tag is left out. */
  extraSamples?: readonly number[]
  compression?: number
  profile?: Buffer
  bigEndian?: boolean
  /** BigTIFF: offsets of 64 bits. */
  big?: boolean
  /** Any other tags, as lists of SHORT. */
  shorts?: Readonly<Record<number, readonly number[]>>
}

const types = { short: 3, long: 4, undefined: 7 } as const

/** An uncompressed TIFF with one strip; another `compression` is only claimed. */
export function tiff(options: TiffOptions): Buffer {
  const { pixel, width = 6, height = 4, bits = 8, sampleFormat = 1, photometric = 2 } = options
  const { bigEndian = false, big = false } = options
  const uint = (value: number, size: number): Buffer => {
    const bytes = Buffer.alloc(size)
    if (size === 8) bytes.writeBigUInt64LE(BigInt(value))
    else bytes.writeUIntLE(value, 0, size)
    return bigEndian ? bytes.reverse() : bytes
  }
  const sample = (value: number): Buffer => {
    const bytes = Buffer.alloc(bits / 8)
    if (sampleFormat === 3 && bits === 64) bytes.writeDoubleLE(value)
    else if (sampleFormat === 3) bytes.writeFloatLE(value)
    else if (bits === 64) bytes.writeBigUInt64LE(BigInt(value))
    else if (sampleFormat === 2) bytes.writeIntLE(value, 0, bits / 8)
    else bytes.writeUIntLE(value, 0, bits / 8)
    return bigEndian ? bytes.reverse() : bytes
  }
  const shorts = (values: readonly number[]) => ({ type: types.short, count: values.length, size: 2, values })
  const longs = (...values: number[]) => ({ type: types.long, count: values.length, size: 4, values })
  const [offsetSize, countSize, headerSize] = big ? [8, 8, 16] : [4, 2, 8]
  const strip = Buffer.concat(Array(width * height).fill(Buffer.concat(pixel.map(sample))))

  const tags = new Map<number, { type: number; count: number; size: number; values: readonly number[] }>([
    [256, longs(width)],
    [257, longs(height)],
    [258, shorts(pixel.map(() => bits))],
    [259, shorts([options.compression ?? 1])],
    [262, shorts([photometric])],
    [273, longs(headerSize)],
    [277, shorts([pixel.length])],
    [278, longs(height)],
    [279, longs(strip.length)],
    ...(options.extraSamples ? [[338, shorts(options.extraSamples)] as const] : []),
    [339, shorts(pixel.map(() => sampleFormat))],
    ...Object.entries(options.shorts ?? {}).map(([tag, values]) => [Number(tag), shorts(values)] as const),
    ...(options.profile
      ? [
          [
            34675,
            { type: types.undefined, count: options.profile.length, size: 1, values: [...options.profile] },
          ] as const,
        ]
      : []),
  ])
  // Values that do not fit into an entry lie between the pixels and the directory.
  const outside: Buffer[] = []
  let end = headerSize + strip.length
  const entries = [...tags]
    .sort(([one], [other]) => one - other)
    .map(([tag, { type, count, size, values }]) => {
      const content = Buffer.concat(values.map((value) => uint(value, size)))
      let value: Buffer = Buffer.concat([content, Buffer.alloc(Math.max(0, offsetSize - content.length))])
      if (content.length > offsetSize) {
        value = uint(end, offsetSize)
        const even = Buffer.concat([content, Buffer.alloc(content.length % 2)])
        outside.push(even)
        end += even.length
      }
      return Buffer.concat([uint(tag, 2), uint(type, 2), uint(count, offsetSize), value])
    })
  const header = [
    Buffer.from(bigEndian ? 'MM' : 'II'),
    ...(big ? [uint(43, 2), uint(8, 2), uint(0, 2)] : [uint(42, 2)]),
    uint(end, offsetSize),
  ]
  return Buffer.concat([
    ...header,
    strip,
    ...outside,
    uint(entries.length, countSize),
    ...entries,
    uint(0, offsetSize),
  ])
}
