/**
 * What a command is about to change. It is made once, shown, and can carry out nothing but itself: what it holds is
 * hidden in it. What changed since is looked at again before it is touched, which may make the plan smaller, never larger.
 */
export interface Plan<Figures, Options, Result> {
  /** What was shown. */
  readonly figures: Readonly<Figures>
  /** Carries the plan out, once, and returns what was done. */
  execute(options: Options): Promise<Result>
}

/** A plan that removes things, from a list that may be long. */
export interface RemovalPlan<Figures, Options, Result> extends Plan<Figures, Options, Result> {
  /**
   * `execute` asserts it too.
   *
   * @throws RmbgError REFUSED when the plan would remove a larger share than its `maxShare` allows
   */
  assertAllowed(): void
  /** Forgets the list. Whoever made the plan calls it, carried out or not. */
  close(): Promise<void>
}

/** Percent of a whole; nothing of nothing is 0. */
export const shareOf = (part: number, whole: number): number => (100 * part) / Math.max(whole, 1)
