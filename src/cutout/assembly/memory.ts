/** Working memory: taken piece by piece, and given back all at once. */

let top: usize = __heap_base

/** Everything that was taken is free again. */
export function release(): void {
  top = __heap_base
}

/** @returns the address of so many bytes, at a multiple of 16; what is in them is left from before */
export function take(bytes: usize): usize {
  const at = (top + 15) & ~15
  top = at + bytes
  // Some bytes beyond the last are read, though not used, where sixteen are read at once.
  const needed = (top + 64 + 0xffff) >> 16
  const present = <usize>memory.size()
  if (needed > present && memory.grow(<i32>(needed - present)) < 0) unreachable()
  return at
}

/** The same, filled with zeros. */
export function takeClear(bytes: usize): usize {
  const at = take(bytes)
  memory.fill(at, 0, bytes)
  return at
}
