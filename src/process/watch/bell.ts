/** Who waits for news of any kind is woken once there are some. */
export interface Bell {
  ring(): void
  /** Resolves at the next ring, at once if it has rung since the last time, or when the signal aborts. */
  rung(signal: AbortSignal): Promise<void>
}

export function openBell(): Bell {
  let hasRung = false
  let wake = () => {}
  return {
    ring: () => {
      hasRung = true
      wake()
    },
    rung: async (signal) => {
      if (!hasRung && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve
          signal.addEventListener('abort', wake, { once: true })
        })
        signal.removeEventListener('abort', wake)
      }
      hasRung = false
    },
  }
}
