import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { JxlAnswer, JxlTask } from './jxl-oxide.ts'
import type { JxlReply } from './jxl-worker.ts'

/**
 * Asks the decoder in a thread of its own: its memory only grows, and it is of no more use after a file that it trapped at.
 *
 * @throws Error for a file that is damaged
 */
export async function askInThread(task: JxlTask): Promise<JxlAnswer> {
  // As this file is: compiled, or TypeScript that the thread's `--import` loads.
  const thread = new Worker(new URL(`jxl-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: task,
  })
  try {
    const [reply] = (await once(thread, 'message')) as [JxlReply]
    if ('failure' in reply) throw new Error(reply.failure)
    return reply
  } finally {
    await thread.terminate()
  }
}
