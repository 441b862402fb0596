import { open } from 'node:fs/promises'
import { ProtobufFile, type Span } from './protobuf.ts'

type Message = 'model' | 'training' | 'function' | 'graph' | 'node' | 'attribute' | 'sparseTensor' | 'tensor'

/**
 * The fields of each message that lead to tensors, wherever they may be: also in constants, branches and functions.
 * Their numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
const messages: Readonly<Record<Message, Readonly<Record<number, Message>>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparseTensor' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparseTensor', 23: 'sparseTensor' },
  sparseTensor: { 1: 'tensor', 2: 'tensor' },
  tensor: {},
}

/** Of a tensor. */
const externalEntry = 13
const dataLocation = 14
const inOtherFile = 1

/** Branches may lie within branches, and a file may claim any depth. ONNX Runtime gives up at 100. */
const deepest = 200

/**
 * Finds the files that an ONNX model keeps its weights in. Models over 2 GiB must do so, and others may.
 *
 * @param file an .onnx file, which is not read whole
 * @returns locations as the model states them, relative to its folder, each once and sorted. A file that is no
 *   protobuf has none: ONNX Runtime refuses it.
 */
export async function externalData(file: string): Promise<string[]> {
  const handle = await open(file)
  try {
    const found = new Set<string>()
    const whole = { start: 0, end: (await handle.stat()).size }
    await visit({ file: new ProtobufFile(handle), found }, 'model', whole).catch((error) => {
      if (!(error instanceof RangeError)) throw error
    })
    return [...found].sort()
  } finally {
    await handle.close()
  }
}

interface Visit {
  file: ProtobufFile
  /** Locations. */
  found: Set<string>
}

/** @throws RangeError where the file is no protobuf */
async function visit(to: Visit, message: Message, span: Span, depth = 0): Promise<void> {
  if (depth > deepest) throw new RangeError('Messages within messages are too deep')
  if (message === 'tensor') return visitTensor(to, span)
  for await (const field of to.file.fields(span)) {
    const inner = messages[message][field.number]
    if (inner && 'content' in field) await visit(to, inner, field.content, depth + 1)
  }
}

async function visitTensor({ file, found }: Visit, span: Span): Promise<void> {
  let isElsewhere = false
  const entries = new Map<string, string>()
  for await (const field of file.fields(span)) {
    if ('value' in field) isElsewhere ||= field.number === dataLocation && field.value === inOtherFile
    else if (field.number === externalEntry) entries.set(...(await readEntry(file, field.content)))
  }
  const location = entries.get('location')
  if (isElsewhere && location !== undefined) found.add(location)
}

async function readEntry(file: ProtobufFile, span: Span): Promise<[key: string, value: string]> {
  const entry: [string, string] = ['', '']
  for await (const field of file.fields(span)) {
    if ('content' in field && (field.number === 1 || field.number === 2)) {
      entry[field.number - 1] = await file.text(field.content)
    }
  }
  return entry
}
