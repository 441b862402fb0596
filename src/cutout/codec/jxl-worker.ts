/** The door of a thread that decodes one JPEG XL file. */
import { parentPort, workerData } from 'node:worker_threads'
import { askOxide, type JxlAnswer, type JxlTask } from './jxl-oxide.ts'

export type JxlReply = JxlAnswer | { failure: string }

const reply = (message: JxlReply) =>
  parentPort?.postMessage(message, 'png' in message ? [message.png.buffer as ArrayBuffer] : [])

askOxide(workerData as JxlTask).then(reply, (cause: unknown) =>
  // The decoder throws texts.
  reply({ failure: cause instanceof Error ? cause.message : String(cause) }),
)
