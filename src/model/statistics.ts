/** What is in a tensor, in a few numbers that two machines can compare. */
export interface TensorStatistics {
  min: number
  max: number
  mean: number
  standardDeviation: number
}

/** @param values at least one, all finite */
export function statisticsOf(values: ArrayLike<number>): TensorStatistics {
  let [min, max, sum, squares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0]
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (value < min) min = value
    if (value > max) max = value
    sum += value
    squares += value * value
  }
  const mean = sum / values.length
  const variance = Math.max(squares / values.length - mean * mean, 0)
  return {
    min: rounded(min),
    max: rounded(max),
    mean: rounded(mean),
    standardDeviation: rounded(Math.sqrt(variance)),
  }
}

/** Six digits: single precision has no more. */
const rounded = (value: number): number => Number(value.toPrecision(6))
