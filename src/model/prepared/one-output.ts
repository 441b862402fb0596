/**
 * Networks that are trained with masks of several depths give all of them, and often their inner feature maps as well. ONNX
 * Runtime computes what nobody asked for, and keeps each until the end of a run: ISNet's twelve outputs take 140 MB and a tenth
 * of the time. A copy of the file with a single output lacks that.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { fieldsOf, ProtobufFile, type Span } from '../shelf/protobuf.ts'

/** Field numbers of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
const graphOfModel = 7
const nodeOfGraph = 1
const outputOfGraph = 12
const nameOfOutput = 1
const inputOfNode = 1
const outputOfNode = 2
const attributeOfNode = 5
const graphOfAttribute = 6
const graphsOfAttribute = 11

const lengthDelimited = 2
const copiedAtOnce = 2 ** 20

interface Node {
  span: Span
  inputs: string[]
  outputs: string[]
}

interface Graph {
  /** Of its content, and of the whole field with tag and length. */
  content: Span
  field: Span
  nodes: Node[]
  outputs: { span: Span; name: string }[]
  /** A branch may use values of the graph around it without naming them as inputs. */
  hasBranches: boolean
}

/**
 * Copies an ONNX model without all outputs but one, and without the nodes that only those others need. Weights that nothing
 * uses any more are left in: ONNX Runtime drops them.
 *
 * @param file with all its weights in it
 * @param output name of the output to keep; undefined: the first
 * @param target is replaced
 * @returns false, and nothing is written, where the model has no other output, lacks this one, or has branches or loops
 * @throws RangeError where the file is no ONNX model
 */
export async function copyWithOneOutput(
  file: string,
  output: string | undefined,
  target: string,
): Promise<boolean> {
  const from = await open(file)
  try {
    const size = (await from.stat()).size
    const graph = await readGraph(from, size)
    const wanted = output ?? graph?.outputs[0]?.name
    if (!graph || graph.hasBranches || graph.outputs.length < 2) return false
    if (wanted === undefined || !graph.outputs.some(({ name }) => name === wanted)) return false
    const inner = without(graph.content, unneeded(graph, wanted))
    const bytes = inner.reduce((sum, { start, end }) => sum + end - start, 0)
    const to = await open(target, 'w')
    try {
      await copy(from, to, { start: 0, end: graph.field.start })
      await to.write(Buffer.from([graphOfModel * 8 + lengthDelimited, ...varintOf(bytes)]))
      for (const span of inner) await copy(from, to, span)
      await copy(from, to, { start: graph.field.end, end: size })
    } finally {
      await to.close()
    }
    return true
  } finally {
    await from.close()
  }
}

/** @returns undefined where there is not exactly one graph */
async function readGraph(handle: FileHandle, size: number): Promise<Graph | undefined> {
  const file = new ProtobufFile(handle)
  const graphs: Pick<Graph, 'content' | 'field'>[] = []
  let start = 0
  for await (const field of file.fields({ start: 0, end: size })) {
    if (field.number === graphOfModel && 'content' in field) {
      graphs.push({ content: field.content, field: { start, end: field.end } })
    }
    start = field.end
  }
  const [found] = graphs
  if (!found || graphs.length > 1) return undefined
  const graph: Graph = { ...found, nodes: [], outputs: [], hasBranches: false }
  let at = found.content.start
  for await (const field of file.fields(found.content)) {
    const span = { start: at, end: field.end }
    at = field.end
    if (!('content' in field)) continue
    if (field.number === nodeOfGraph) await addNode(graph, span, await bytesOf(handle, field.content))
    if (field.number === outputOfGraph) {
      const [name = ''] = textsOf(await bytesOf(handle, field.content), nameOfOutput)
      graph.outputs.push({ span, name })
    }
  }
  return graph
}

async function addNode(graph: Graph, span: Span, node: Buffer): Promise<void> {
  graph.nodes.push({ span, inputs: textsOf(node, inputOfNode), outputs: textsOf(node, outputOfNode) })
  graph.hasBranches ||= contentsOf(node, attributeOfNode).some((attribute) =>
    [graphOfAttribute, graphsOfAttribute].some((number) => contentsOf(attribute, number).length > 0),
  )
}

/** The other outputs, and the nodes from which no way leads to the wanted one; in the order of the file. */
function unneeded({ nodes, outputs }: Graph, wanted: string): Span[] {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)))
  const needed = new Set<Node>()
  const asked = [wanted]
  for (let name = asked.pop(); name !== undefined; name = asked.pop()) {
    const maker = makers.get(name)
    if (!maker || needed.has(maker)) continue
    needed.add(maker)
    asked.push(...maker.inputs)
  }
  const dropped = [
    ...nodes.filter((node) => !needed.has(node)),
    ...outputs.filter(({ name }) => name !== wanted),
  ]
  return dropped.map(({ span }) => span).sort((a, b) => a.start - b.start)
}

function without(whole: Span, holes: readonly Span[]): Span[] {
  const kept: Span[] = []
  let { start } = whole
  for (const hole of holes) {
    if (hole.start > start) kept.push({ start, end: hole.start })
    start = hole.end
  }
  if (whole.end > start) kept.push({ start, end: whole.end })
  return kept
}

async function copy(from: FileHandle, to: FileHandle, { start, end }: Span): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(copiedAtOnce, end - start))
  for (let position = start; position < end; ) {
    const length = Math.min(buffer.length, end - position)
    const { bytesRead } = await from.read({ buffer, length, position })
    if (bytesRead === 0) throw new RangeError('The file has become shorter')
    await to.writeFile(buffer.subarray(0, bytesRead))
    position += bytesRead
  }
}

async function bytesOf(handle: FileHandle, { start, end }: Span): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(end - start), position: start })
  return buffer.subarray(0, bytesRead)
}

const textsOf = (message: Buffer, number: number): string[] =>
  contentsOf(message, number).map((content) => content.toString())

/** Contents of the fields that have this number. */
const contentsOf = (message: Buffer, wanted: number): Buffer[] =>
  [...fieldsOf(message)].flatMap((field) =>
    field.number === wanted && 'content' in field
      ? [message.subarray(field.content.start, field.content.end)]
      : [],
  )

function varintOf(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  return [...bytes, rest]
}
