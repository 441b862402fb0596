/** What is told of figures that were measured several times. */
export interface Spread {
  median: number
  low: number
  high: number
  runs: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, low: sorted[0]!, high: sorted.at(-1)!, runs: sorted.length }
}

/** Three figures that count, or two decimals. */
export const figure = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)

/** `52.1 (50.3–60.0)`: the median, the least and the most. */
export const told = ({ median, low, high }: Spread): string =>
  `${figure(median)} (${figure(low)}–${figure(high)})`

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length
