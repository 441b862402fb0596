/**
 * What a command is about to change. It is made once, shown, and can carry out nothing but itself: its list is its own.
 * What changed since it was made is looked at again before it is touched. That may make the plan smaller, never larger.
 */
export interface Plan<Figures, Options, Result> {
  /** What was shown. */
  readonly figures: Readonly<Figures>
  /** @throws RmbgError REFUSED when the plan would change more than its `maxShare` allows */
  assertAllowed(): void
  /**
   * Carries the plan out, once.
   *
   * @returns what was done
   * @throws RmbgError REFUSED as `assertAllowed`
   */
  execute(options: Options): Promise<Result>
  /** Forgets the list. Whoever made the plan calls it, carried out or not. */
  close(): Promise<void>
}

/** Percent of a whole; nothing of nothing is 0. */
export const shareOf = (part: number, whole: number): number => (100 * part) / Math.max(whole, 1)
