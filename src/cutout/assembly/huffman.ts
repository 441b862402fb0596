/** Prefix codes of limited length, as deflate wants them (RFC 1951, 3.2.2). */
import { take } from './memory'

/** More symbols than any alphabet here has. */
const mostSymbols: i32 = 288
const mostBits: i32 = 15

let sorted: usize = 0
let weights: usize = 0

/** Takes the memory that `lengthsOf` works in. */
export function takeHuffman(): void {
  sorted = take(mostSymbols * 4)
  weights = take(mostSymbols * 4)
}

/**
 * Finds how many bits each symbol's code has: the fewest for what is counted, then shortened to the limit. Two symbols or
 * more must be counted.
 *
 * @param counts u32 for each symbol
 * @param limit 15 or less
 * @param lengths u8 for each symbol; 0 for those that are never used
 */
export function lengthsOf(counts: usize, symbols: i32, limit: i32, lengths: usize): void {
  memory.fill(lengths, 0, symbols)
  const used = sort(counts, symbols)
  balance(used)
  // How many codes there are of each length, those that are too long among the longest allowed.
  let space: u32 = 0
  memory.fill(numbers, 0, (mostBits + 1) * 4)
  for (let i = 0; i < used; i++) {
    const bits = min(<i32>load<u32>(weights + i * 4), limit)
    store<u32>(numbers + bits * 4, load<u32>(numbers + bits * 4) + 1)
    space += 1 << (limit - bits)
  }
  // Too many of the longest: a shorter code makes room for one of them beside itself, and both get longer.
  for (; space > (<u32>1) << limit; space--) {
    let bits = limit - 1
    while (load<u32>(numbers + bits * 4) === 0) bits--
    add(numbers + bits * 4, -1)
    add(numbers + (bits + 1) * 4, 2)
    add(numbers + limit * 4, -1)
  }
  // The most frequent get the shortest.
  for (let bits = 1, i = used - 1; bits <= limit; bits++) {
    for (let n = load<u32>(numbers + bits * 4); n > 0; n--, i--) {
      store<u8>(lengths + load<u32>(sorted + i * 4), <u8>bits)
    }
  }
}

const numbers: usize = memory.data((mostBits + 1) * 4, 16)

function add(at: usize, value: i32): void {
  store<i32>(at, load<i32>(at) + value)
}

/** Symbols that are used, and how often, the rarest first. @returns how many */
function sort(counts: usize, symbols: i32): i32 {
  let used = 0
  for (let symbol = 0; symbol < symbols; symbol++) {
    const count = load<u32>(counts + symbol * 4)
    if (count === 0) continue
    let at = used++
    for (; at > 0 && load<u32>(weights + (at - 1) * 4) > count; at--) {
      store<u32>(weights + at * 4, load<u32>(weights + (at - 1) * 4))
      store<u32>(sorted + at * 4, load<u32>(sorted + (at - 1) * 4))
    }
    store<u32>(weights + at * 4, count)
    store<u32>(sorted + at * 4, symbol)
  }
  return used
}

/**
 * Turns counts, the rarest first, into the lengths of their codes, in place: A. Moffat and J. Katajainen, "In-place
 * calculation of minimum-redundancy codes", 1995.
 */
function balance(n: i32): void {
  const a = weights
  // First each inner node of the tree is weighed, and then tells where its parent is.
  store<u32>(a, load<u32>(a) + load<u32>(a, 4))
  let root = 0
  let leaf = 2
  for (let next = 1; next < n - 1; next++) {
    const at = a + next * 4
    for (let child = 0; child < 2; child++) {
      const isNode = leaf >= n || (root < next && load<u32>(a + root * 4) < load<u32>(a + leaf * 4))
      const weight = isNode ? load<u32>(a + root * 4) : load<u32>(a + leaf * 4)
      if (isNode) store<u32>(a + root++ * 4, next)
      else leaf++
      store<u32>(at, child === 0 ? weight : load<u32>(at) + weight)
    }
  }
  // Then how deep each is.
  store<u32>(a + (n - 2) * 4, 0)
  for (let next = n - 3; next >= 0; next--) {
    store<u32>(a + next * 4, load<u32>(a + load<u32>(a + next * 4) * 4) + 1)
  }
  // And from that, how deep the leaves are.
  let next = n - 1
  root = n - 2
  for (let free = 1, depth = 0; free > 0; depth++) {
    let nodes = 0
    for (; root >= 0 && load<u32>(a + root * 4) === depth; root--) nodes++
    for (; free > nodes; free--) store<u32>(a + next-- * 4, depth)
    free = 2 * nodes
  }
}

/**
 * Numbers codes in the order of their lengths. A code starts with its lowest bit, as deflate packs them.
 *
 * @param table u32 for each symbol: its code, and from bit 24 on its length
 */
export function codesOf(lengths: usize, symbols: i32, table: usize): void {
  for (let bits = 1, code = 0; bits <= mostBits; bits++, code <<= 1) {
    for (let symbol = 0; symbol < symbols; symbol++) {
      if (load<u8>(lengths + symbol) !== bits) continue
      store<u32>(table + symbol * 4, reversed(code++, bits) | (bits << 24))
    }
  }
}

function reversed(code: i32, bits: i32): u32 {
  let result: u32 = 0
  for (let i = 0; i < bits; i++) result |= ((code >> i) & 1) << (bits - 1 - i)
  return result
}
