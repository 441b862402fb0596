/** Views samples as words of four bytes, to skip many at once; empty when they do not begin at a multiple of four. */
export const wordsOf = (samples: Uint8Array | Uint16Array): Uint32Array =>
  samples.byteOffset % 4 === 0
    ? new Uint32Array(samples.buffer, samples.byteOffset, samples.byteLength >> 2)
    : new Uint32Array()
