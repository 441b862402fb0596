/** @returns milliseconds since it was made, or since it was last asked */
export function stopwatch(): () => number {
  let from = performance.now()
  return () => {
    const since = from
    from = performance.now()
    return from - since
  }
}
