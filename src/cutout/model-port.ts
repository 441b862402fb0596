/** A model that stays on its thread and is asked from another one: both ends of the conversation. */
import { once } from 'node:events'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { freeBytes } from '../free-bytes.ts'
import type { Matte } from '../model/contract.ts'
import type { SubjectModel } from './cutout.ts'

/** The model as another thread gets it; the port has to be transferred. */
export interface PortedModel {
  inputSize: SubjectModel['inputSize']
  spec: SubjectModel['spec']
  port: MessagePort
}

/** Said at the port: the model's input, and its matte, or nothing when the model failed. */
type Question = Uint8Array<ArrayBuffer>
type Answer = Matte | undefined

/**
 * The end beside the model.
 *
 * @returns what to send to the other thread; `failure` is what the model threw, with its class and cause, which would
 *   be lost on the way; `close` ends the conversation
 */
export function serveModel({ inputSize, spec, predict }: SubjectModel) {
  const { port1: here, port2: port } = new MessageChannel()
  const served = { failure: undefined as unknown, close: () => here.close() }
  here.on('message', async (question: Question) => {
    let answer: Answer
    try {
      answer = await predict(question)
    } catch (error) {
      served.failure = error
    }
    freeBytes(question)
    here.postMessage(answer, answer ? [answer.alpha.buffer] : [])
  })
  const { guided, letterbox, leastExpectedIou } = spec
  const cutoutSpec = {
    ...(guided && { guided }),
    ...(letterbox && { letterbox }),
    ...(leastExpectedIou !== undefined && { leastExpectedIou }),
  }
  const model: PortedModel = { inputSize, spec: cutoutSpec, port }
  return Object.assign(served, { model })
}

/** The end in the other thread: the model, to be asked once. */
export function modelAt({ inputSize, spec, port }: PortedModel): SubjectModel {
  return {
    inputSize,
    spec,
    predict: async (question) => {
      const answered = once(port, 'message')
      port.postMessage(question, [question.buffer])
      const [answer] = (await answered) as [Answer]
      if (!answer) throw new Error('The model gave no matte')
      return answer
    },
  }
}
