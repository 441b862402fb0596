/**
 * Compresses what a filter left of a picture (RFC 1950 and 1951): each byte by how frequent it is, and runs of zeros. Nothing
 * else repeats in what is left of a photograph, so no search for repetitions pays for its time.
 */
import { writeFile } from './host'
import { codesOf, lengthsOf, takeHuffman } from './huffman'
import { take, takeClear } from './memory'

/** Bytes of a block that are coded one by one. Each block has codes of its own. */
const blockBytes: i32 = 128 << 10
/** Stretches of a block: so many bytes as they are, then so many zeros. */
const mostStretches: i32 = 16 << 10
/** Of a code for bytes and runs; four of them fit into 56 bits. */
const mostBits: i32 = 12
/** Bytes that leave at once, at least. */
const outputBytes: i32 = 128 << 10

const endOfBlock: i32 = 256
const symbols: i32 = 286
/** The longest run that a code names. */
const longestRun: u32 = 258

export class Deflate {
  /** The number of the file that bytes are written to. */
  file: i32 = 0
  /** Bytes that wait to be coded one by one; what stands in the block between them are zeros. */
  bytes: usize = 0
  used: i32 = 0
  /** u32 pairs: how many bytes, and how many zeros behind them. */
  stretches: usize = 0
  count: i32 = 0
  /** `used` where the stretch began that is not ended yet, and its zeros. */
  begun: i32 = 0
  zeros: u32 = 0

  /** u32 for each symbol: four tables for bytes, since the next byte is often the same; runs are in the first. */
  counts: usize = 0
  lengths: usize = 0
  codes: usize = 0

  output: usize = 0
  length: i32 = 0
  bits: u64 = 0
  bitCount: i32 = 0

  /** Adler-32: the sum of all bytes, and the sum of these sums. */
  sum: u64 = 1
  sums: u64 = 0
}

export function deflate(file: i32): Deflate {
  const d = changetype<Deflate>(takeClear(offsetof<Deflate>()))
  d.file = file
  // A row is filtered in pieces of 16 bytes, and the last of them may reach beyond.
  d.bytes = take(blockBytes + 64)
  d.stretches = take(mostStretches * 8)
  d.counts = takeClear(4 * symbols * 4)
  d.lengths = take(symbols + 64)
  d.codes = take(symbols * 4)
  // Half a block more than its bytes, what each run takes, and the codes.
  d.output = take(outputBytes + blockBytes + blockBytes / 2 + mostStretches * 8 + 4096)
  takeHuffman()
  d.sum = 1
  putBits(d, 0x0178, 16)
  return d
}

/** Where the next sixteen bytes are put, before they are added. */
export function place(d: Deflate): usize {
  return d.bytes + d.used
}

/** Adds the first `count` of sixteen bytes. */
export function addPlaced(d: Deflate, count: i32): void {
  const at = place(d)
  if (count === 16 && !v128.any_true(v128.load(at))) {
    d.zeros += 16
    return
  }
  if (d.zeros > 0) endStretch(d)
  d.used += count
  for (let i = 0; i < count; i += 4) {
    const four = load<u32>(at + i)
    countByte(d.counts, four & 255)
    if (i + 1 < count) countByte(d.counts + symbols * 4, (four >> 8) & 255)
    if (i + 2 < count) countByte(d.counts + symbols * 8, (four >> 16) & 255)
    if (i + 3 < count) countByte(d.counts + symbols * 12, four >> 24)
  }
}

function countByte(counts: usize, byte: u32): void {
  const at = counts + byte * 4
  store<u32>(at, load<u32>(at) + 1)
}

/** Adds a byte. */
export function addByte(d: Deflate, byte: u32): void {
  if (byte === 0) {
    d.zeros++
    return
  }
  if (d.zeros > 0) endStretch(d)
  store<u8>(d.bytes + d.used++, <u8>byte)
  countByte(d.counts, byte)
}

/** Adds zeros, of which none need be there. */
export function addZeros(d: Deflate, count: u32): void {
  if (d.zeros + count < d.zeros) endStretch(d)
  d.zeros += count
}

/** Sees to it that so many bytes, and a run before each 16 of them, can be added. */
export function makeRoom(d: Deflate, bytes: i32): void {
  if (d.used + bytes > blockBytes || d.count + bytes / 16 + 2 > mostStretches) endBlock(d)
}

function endStretch(d: Deflate): void {
  const bytes = d.used - d.begun
  const at = d.stretches + d.count++ * 8
  store<u32>(at, bytes)
  store<u32>(at, d.zeros, 4)
  addSums(d, d.bytes + d.begun, bytes)
  d.sums = (d.sums + <u64>d.zeros * d.sum) % 65521
  d.begun = d.used
  countZeros(d.counts, d.zeros)
  d.zeros = 0
}

/** Adler-32 of bytes, sixteen at once. */
function addSums(d: Deflate, at: usize, count: i32): void {
  let sum = d.sum
  let sums = d.sums
  let i = 0
  const falling = i16x8(16, 15, 14, 13, 12, 11, 10, 9)
  const fallingOn = i16x8(8, 7, 6, 5, 4, 3, 2, 1)
  // The sums of 2^20 bytes fit by far.
  for (const whole = count & ~15; i < whole; i += 16) {
    const bytes = v128.load(at + i)
    const low = i16x8.extend_low_i8x16_u(bytes)
    const high = i16x8.extend_high_i8x16_u(bytes)
    const weighed = i32x4.add(i32x4.dot_i16x8_s(low, falling), i32x4.dot_i16x8_s(high, fallingOn))
    sums += 16 * sum + total(weighed)
    sum += total(i32x4.extadd_pairwise_i16x8_u(i16x8.add(low, high)))
  }
  for (; i < count; i++) {
    sum += load<u8>(at + i)
    sums += sum
  }
  d.sum = sum % 65521
  d.sums = sums % 65521
}

function total(values: v128): u64 {
  const pairs = i64x2.add(i64x2.extend_low_i32x4_u(values), i64x2.extend_high_i32x4_u(values))
  return i64x2.extract_lane(pairs, 0) + i64x2.extract_lane(pairs, 1)
}

// A run is a zero, and then repeats what is one byte back, in pieces as long as a code can name. What is too short for
// that is zeros.

function countZeros(counts: usize, zeros: u32): void {
  if (zeros === 0) return
  const repeats = zeros - 1
  const rest = repeats % longestRun
  store<u32>(counts + 285 * 4, load<u32>(counts + 285 * 4) + repeats / longestRun)
  if (rest >= 3) countByte(counts, runSymbol(rest))
  store<u32>(counts, load<u32>(counts) + 1 + (rest < 3 ? rest : 0))
}

/** Of a run of 3 to 257. */
function runSymbol(run: u32): u32 {
  return run < 11 ? 254 + run : 257 + 4 * extraBits(run) + ((run - 3) >> extraBits(run))
}

function extraBits(run: u32): u32 {
  return run < 11 ? 0 : 29 - clz<u32>(run - 3)
}

function endBlock(d: Deflate): void {
  if (d.used > d.begun || d.zeros > 0) endStretch(d)
  if (d.count === 0) return
  const counts = d.counts
  for (let byte = 0; byte < 256; byte++) {
    const at = counts + byte * 4
    const others = load<u32>(at, symbols * 4) + load<u32>(at, symbols * 8) + load<u32>(at, symbols * 12)
    store<u32>(at, load<u32>(at) + others)
  }
  store<u32>(counts + endOfBlock * 4, 1)
  lengthsOf(counts, symbols, mostBits, d.lengths)
  codesOf(d.lengths, symbols, d.codes)
  putBits(d, 0b100, 3)
  putCodes(d)
  putBlock(d)
  memory.fill(counts, 0, 4 * symbols * 4)
  d.used = 0
  d.begun = 0
  d.count = 0
  if (d.length > outputBytes) handOver(d)
}

/** The block's own codes, as lengths; runs have a distance of one byte, the only one that has a code. */
function putCodes(d: Deflate): void {
  store<u8>(d.lengths + symbols, 1)
  const all = symbols + 1
  memory.fill(lengthCounts, 0, lengthSymbols * 4)
  for (let i = 0; i < all; ) {
    const run = zeroLengths(d.lengths, i, all)
    countByte(lengthCounts, run >= 11 ? 18 : run >= 3 ? 17 : load<u8>(d.lengths + i))
    i += run >= 3 ? run : 1
  }
  lengthsOf(lengthCounts, lengthSymbols, 7, lengthLengths)
  codesOf(lengthLengths, lengthSymbols, lengthCodes)
  putBits(d, symbols - 257, 5)
  putBits(d, 0, 5)
  putBits(d, lengthSymbols - 4, 4)
  for (let i = 0; i < lengthSymbols; i++) putBits(d, load<u8>(lengthLengths + load<u8>(lengthOrder + i)), 3)
  for (let i = 0; i < all; ) {
    const run = zeroLengths(d.lengths, i, all)
    putCode(d, lengthCodes, run >= 11 ? 18 : run >= 3 ? 17 : load<u8>(d.lengths + i))
    if (run >= 11) putBits(d, run - 11, 7)
    else if (run >= 3) putBits(d, run - 3, 3)
    i += run >= 3 ? run : 1
  }
}

/** Codes of lengths: 0 to 15, a repeated length (not used here), and two for runs of 0. */
const lengthSymbols: i32 = 19
const lengthOrder: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])
const lengthCounts: usize = memory.data(lengthSymbols * 4, 16)
const lengthLengths: usize = memory.data(lengthSymbols, 16)
const lengthCodes: usize = memory.data(lengthSymbols * 4, 16)

/** How many lengths from there on are 0; 138 at most. */
function zeroLengths(lengths: usize, from: i32, end: i32): i32 {
  let i = from
  while (i < end && i - from < 138 && load<u8>(lengths + i) === 0) i++
  return i - from
}

function putBlock(d: Deflate): void {
  let at = d.bytes
  for (let i = 0; i < d.count; i++) {
    const stretch = d.stretches + i * 8
    const bytes = load<u32>(stretch)
    putBytes(d, at, bytes)
    at += bytes
    putZeros(d, load<u32>(stretch, 4))
  }
  putCode(d, d.codes, endOfBlock)
}

function putBytes(d: Deflate, from: usize, count: u32): void {
  const codes = d.codes
  let bits = d.bits
  let bitCount = <u64>d.bitCount
  let to = d.output + d.length
  let at = from
  for (const end = from + (count & ~3); at < end; at += 4) {
    const four = load<u32>(at)
    const first = load<u32>(codes + ((four & 255) << 2))
    const second = load<u32>(codes + ((four >> 6) & 1020))
    const third = load<u32>(codes + ((four >> 14) & 1020))
    const fourth = load<u32>(codes + ((four >> 22) & 1020))
    bits |= (<u64>(first & 0xffffff)) << bitCount
    bitCount += first >> 24
    bits |= (<u64>(second & 0xffffff)) << bitCount
    bitCount += second >> 24
    bits |= (<u64>(third & 0xffffff)) << bitCount
    bitCount += third >> 24
    bits |= (<u64>(fourth & 0xffffff)) << bitCount
    bitCount += fourth >> 24
    store<u64>(to, bits)
    to += <usize>(bitCount >> 3)
    bits >>= bitCount & 0x38
    bitCount &= 7
  }
  d.bits = bits
  d.bitCount = <i32>bitCount
  d.length = <i32>(to - d.output)
  for (const end = from + count; at < end; at++) putCode(d, codes, load<u8>(at))
}

function putZeros(d: Deflate, zeros: u32): void {
  if (zeros === 0) return
  putCode(d, d.codes, 0)
  let repeats = zeros - 1
  for (; repeats >= longestRun; repeats -= longestRun) {
    putCode(d, d.codes, 285)
    putBits(d, 0, 1)
    if (d.length > outputBytes) handOver(d)
  }
  if (repeats >= 3) {
    putCode(d, d.codes, runSymbol(repeats))
    const extra = extraBits(repeats)
    // The distance's code follows, a bit that is 0.
    putBits(d, (repeats - 3) & ((1 << extra) - 1), extra + 1)
  } else for (; repeats > 0; repeats--) putCode(d, d.codes, 0)
}

function putCode(d: Deflate, codes: usize, symbol: i32): void {
  const code = load<u32>(codes + symbol * 4)
  putBits(d, code & 0xffffff, code >> 24)
}

function putBits(d: Deflate, value: u32, count: i32): void {
  d.bits |= (<u64>value) << d.bitCount
  d.bitCount += count
  store<u64>(d.output + d.length, d.bits)
  d.length += d.bitCount >> 3
  d.bits >>= d.bitCount & 0x38
  d.bitCount &= 7
}

function handOver(d: Deflate): void {
  writeFile(d.file, d.output, d.length)
  d.length = 0
}

/** Writes what is left, and the end of the file. */
export function finish(d: Deflate): void {
  endBlock(d)
  // A last block of nothing, with the fixed codes.
  putBits(d, 0b011, 3)
  putBits(d, 0, 7)
  if (d.bitCount > 0) putBits(d, 0, 8 - d.bitCount)
  store<u32>(d.output + d.length, bswap<u32>(((<u32>d.sums) << 16) | <u32>d.sum))
  d.length += 4
  handOver(d)
}
