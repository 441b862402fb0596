import onnxProto from 'onnx-proto'

const { onnx } = onnxProto
const { AttributeType } = onnx.AttributeProto
const { DataType } = onnx.TensorProto

/** The name of a value flowing through a graph. */
export type Value = string
/** Integers, lists of them, and text: all the attributes that our graphs need. */
type Attribute = number | readonly number[] | string
type ElementType = 'FLOAT' | 'FLOAT16' | 'UINT8' | 'INT64' | 'BOOL'
/** A dimension given by a name is open. */
export type Shape = readonly (number | string)[]

/** Version 17 of the operator set is understood by every ONNX Runtime since 1.12. */
const operatorSet = 17
const irVersion = 8

/** An ONNX graph being written, operator by operator; the same calls give the same bytes. */
export interface Graph {
  input(name: string, shape: Shape, type?: ElementType): Value
  output(name: string, value: Value, shape: Shape, type?: ElementType): void
  /** A float32 constant; a plain number is a scalar. */
  constant(values: number | readonly number[], shape?: readonly number[]): Value
  /** A one-dimensional int64 constant, which many operators take for axes, sizes and shapes. */
  integers(values: readonly number[]): Value
  op(type: string, inputs: readonly Value[], attributes?: Record<string, Attribute>): Value
  /** The finished .onnx file. */
  toBytes(): Uint8Array
}

/** @param name kept in the file, with `description` beside it */
export function createGraph(name: string, description = ''): Graph {
  const nodes: InstanceType<typeof onnx.NodeProto>[] = []
  const initializers = new Map<string, InstanceType<typeof onnx.TensorProto>>()
  const inputs: InstanceType<typeof onnx.ValueInfoProto>[] = []
  const outputs: InstanceType<typeof onnx.ValueInfoProto>[] = []

  // Equal constants are written once; the key is their content.
  const initializer = (key: string, tensor: object): Value => {
    const known = initializers.get(key)
    if (known) return known.name
    const value = `c${initializers.size}`
    initializers.set(key, onnx.TensorProto.create({ ...tensor, name: value }))
    return value
  }

  return {
    input(value, shape, type = 'FLOAT') {
      inputs.push(valueInfo(value, shape, type))
      return value
    },
    output(value, source, shape, type = 'FLOAT') {
      nodes.push(onnx.NodeProto.create({ opType: 'Identity', input: [source], output: [value] }))
      outputs.push(valueInfo(value, shape, type))
    },
    constant(values, shape) {
      const floatData = typeof values === 'number' ? [values] : [...values]
      const dims = shape ?? (typeof values === 'number' ? [] : [floatData.length])
      return initializer(`f${dims}:${floatData}`, { dims, dataType: DataType.FLOAT, floatData })
    },
    integers(values) {
      return initializer(`i${values}`, {
        dims: [values.length],
        dataType: DataType.INT64,
        int64Data: [...values],
      })
    },
    op(type, operands, attributes = {}) {
      const value = `v${nodes.length}`
      nodes.push(
        onnx.NodeProto.create({
          opType: type,
          input: [...operands],
          output: [value],
          attribute: Object.entries(attributes).map(([key, content]) => attribute(key, content)),
        }),
      )
      return value
    },
    toBytes() {
      const model = onnx.ModelProto.create({
        irVersion,
        producerName: 'rmbg-batch',
        docString: description,
        opsetImport: [{ domain: '', version: operatorSet }],
        graph: { name, node: nodes, initializer: [...initializers.values()], input: inputs, output: outputs },
      })
      return onnx.ModelProto.encode(model).finish()
    },
  }
}

function valueInfo(name: string, shape: Shape, type: ElementType) {
  const dim = shape.map((length) =>
    typeof length === 'number' ? { dimValue: length } : { dimParam: length },
  )
  return onnx.ValueInfoProto.create({
    name,
    type: { tensorType: { elemType: DataType[type], shape: { dim } } },
  })
}

function attribute(name: string, content: Attribute) {
  if (typeof content === 'number')
    return onnx.AttributeProto.create({ name, type: AttributeType.INT, i: content })
  if (typeof content === 'string') {
    return onnx.AttributeProto.create({
      name,
      type: AttributeType.STRING,
      s: new TextEncoder().encode(content),
    })
  }
  return onnx.AttributeProto.create({ name, type: AttributeType.INTS, ints: [...content] })
}
