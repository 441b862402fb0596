import { randomNumbers } from '../support/random.ts'

/** Chance that can be repeated: the same seed makes the same choices. */
export interface Random {
  /** A whole number from 0 to below the limit. */
  below(limit: number): number
  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number
  pick<T>(choices: readonly T[]): T
  bytes(length: number): Buffer
}

/** 32 bits of state are plenty for choosing what to break. */
export function randomFrom(seed: number): Random {
  const next = randomNumbers(seed)
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    below,
    between: (least, most) => least + below(most - least + 1),
    pick: (choices) => choices[below(choices.length)]!,
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
  }
}
