/** How ONNX Runtime works on a model: what may be chosen without changing masks by more than rounding. */
export interface SessionTuning {
  /** Within one inference. */
  threads: number
  /** Threads that wait for the next step turn instead of sleeping. */
  spinning: boolean
  /** Memory of one step stays with ONNX Runtime for the next, instead of going back to the system. */
  arena: boolean
  /** The whole run's memory is planned after the first one, and kept. */
  memoryPattern: boolean
  /** Weights and maps are laid out in blocks of the width of the processor's registers. */
  blockedLayout: boolean
}

/** Sleeping threads leave the cores to decoding and encoding; a plan of one run's memory is kept beside the memory itself. */
export const usualTuning = (threads: number): SessionTuning => ({
  threads,
  spinning: false,
  arena: true,
  memoryPattern: false,
  blockedLayout: true,
})

/** One way to run a model, and what people call it. */
export interface Candidate {
  name: string
  tuning: SessionTuning
}

/** The usual way first, then what differs from it in one respect, or in the two that save memory. */
export function candidatesFor(cores: number): Candidate[] {
  const usual = usualTuning(cores)
  const fewer = [...new Set([Math.ceil(cores / 2), 1])].filter((threads) => threads < cores)
  return [
    { name: 'usual', tuning: usual },
    ...fewer.map((threads) => ({
      name: threads === 1 ? '1 thread' : `${threads} threads`,
      tuning: { ...usual, threads },
    })),
    { name: 'spinning threads', tuning: { ...usual, spinning: true } },
    { name: 'memory pattern', tuning: { ...usual, memoryPattern: true } },
    { name: 'no arena', tuning: { ...usual, arena: false } },
    { name: 'plain layout', tuning: { ...usual, blockedLayout: false } },
    { name: 'no arena, plain layout', tuning: { ...usual, arena: false, blockedLayout: false } },
  ]
}
