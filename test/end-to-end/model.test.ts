/** `rmbg model` from the command line, and a fetched model at work. */
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type KeptTuning, readTuning } from '../../src/model/tuning/kept.ts'
import { createGraph } from '../../training/graph.ts'
import { jsonLines, rmbg, temporaryFolder } from '../support/cli.ts'
import { freshWorkspace } from '../support/fixture-workspace.ts'

/** A model that takes what is darker than the backdrop for the subject. */
function darkness(size: number): Uint8Array {
  const graph = createGraph('darkness')
  const image = graph.input('pixel_values', [1, 3, size, size])
  const light = graph.op('ReduceMean', [image], { axes: [1], keepdims: 1 })
  const dark = graph.op('Sub', [graph.constant(0), graph.op('Mul', [light, graph.constant(4)])])
  graph.output('alphas', graph.op('Clip', [dark, graph.constant(0), graph.constant(1)]), [1, 1, size, size])
  return graph.toBytes()
}

/** Stands for Hugging Face: what `files` has, to whoever shows the token. */
async function hub(files: Record<string, Uint8Array>, token?: string): Promise<string> {
  const server = createServer((request, response) => {
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`)
      return void response.writeHead(401).end()
    const file = files[request.url!]
    if (!file) return void response.writeHead(404).end()
    response.writeHead(200, { etag: '"x"', 'content-length': file.byteLength }).end(file)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

it('a model is fetched, listed, found, verified, put to work, taken by auto, and removed', async () => {
  const { run, folder, home } = await freshWorkspace()
  const endpoint = await hub(
    { '/briaai/RMBG-2.0/resolve/main/onnx/model_int8.onnx': darkness(1024) },
    'secret',
  )
  const model = (...args: string[]) =>
    rmbg(['model', ...args], {
      cwd: folder,
      env: { RMBG_HOME: home, HF_ENDPOINT: endpoint, HF_TOKEN: 'secret' },
    })

  const refused = await model('pull', 'rmbg-2.0:int8')
  expect(refused).toMatchObject({ status: 6, stderr: expect.stringContaining('--accept-license') })
  const gated = await rmbg(['model', 'pull', 'rmbg-2.0:int8', '--accept-license'], {
    env: { RMBG_HOME: home, HF_ENDPOINT: endpoint },
  })
  expect(gated).toMatchObject({ status: 6, stderr: expect.stringContaining('HF_TOKEN') })
  const pulled = await model('pull', 'rmbg-2.0:int8', '--accept-license')
  expect(pulled.status, pulled.stderr).toBe(0)
  expect(pulled.stderr).toContain('CC-BY-NC-4.0')
  expect(pulled.stderr).toContain('No checksum of this file was known before')
  expect(pulled.stdout).toBe(join(home, 'models/rmbg-2.0/int8.onnx'))
  expect(`${pulled.stdout}${pulled.stderr}${gated.stderr}`).not.toContain('secret')
  expect(JSON.parse(await readFile(join(home, 'models/rmbg-2.0/int8.origin.json'), 'utf8'))).toMatchObject({
    source: expect.not.stringContaining('secret'),
    license: { name: 'CC-BY-NC-4.0', acceptedBy: expect.any(String) },
  })

  const listed = JSON.parse((await model('list', '--json')).stdout)
  expect(listed).toContainEqual(expect.objectContaining({ name: 'rmbg-2.0:int8', state: 'installed' }))
  expect(listed).toContainEqual(
    expect.objectContaining({ name: 'rmbg-2.0', state: 'available', size: 1_024_331_469 }),
  )
  expect((await model('path', 'auto')).stdout).toBe(pulled.stdout)
  expect((await model('verify')).stdout).toMatch(/intact\s+rmbg-2\.0:int8/)

  const done = jsonLines((await run('process', 'photos', '--json')).stdout)
  expect(done).toContainEqual({ type: 'model', model: 'rmbg-2.0:int8', provider: 'cpu' })
  expect(done.filter(({ type }) => type === 'notice')).toEqual([])

  expect((await model('remove', 'rmbg-2.0')).stdout).toContain('int8.onnx')
  expect((await model('path', 'auto')).stdout).toContain('builtin')
  expect(await model('verify', 'rmbg-2.0')).toMatchObject({
    status: 6,
    stderr: expect.stringContaining('not installed'),
  })
})

describe('what is not possible', () => {
  it('is told in a sentence', async () => {
    const home = await temporaryFolder()
    const env = { RMBG_HOME: home, HF_ENDPOINT: 'http://127.0.0.1:59999' }
    expect(await rmbg(['model', 'pull', 'modnett'], { env })).toMatchObject({
      status: 6,
      stderr: expect.stringContaining('There is no model named "modnett"'),
    })
    expect(await rmbg(['model', 'pull', 'modnet', '--json'], { env })).toMatchObject({
      status: 6,
      stdout: expect.stringContaining('MODEL_DOWNLOAD'),
    })
    expect(await rmbg(['model', 'remove', 'backdrop'], { env })).toMatchObject({ status: 6 })
  }, 60_000)
})

it('a model is measured, and runs in the chosen way from then on', async () => {
  const { folder, home } = await freshWorkspace()
  await mkdir(join(home, 'models'), { recursive: true })
  await writeFile(join(home, 'models/own.onnx'), darkness(32))
  const { status, stdout, stderr } = await rmbg(['model', 'tune', 'own', '--prefer', 'memory', '--json'], {
    cwd: folder,
    env: { RMBG_HOME: home },
  })
  expect(status, stderr).toBe(0)
  const kept: KeptTuning = JSON.parse(stdout)
  expect(kept).toMatchObject({ model: 'own', prefer: 'memory', cores: availableParallelism() })
  expect(kept.measured.map(({ name }) => name)).toContain('plain layout')
  for (const each of kept.measured) {
    expect(each).toMatchObject({ maskOff: 0, peakMb: expect.any(Number) })
  }
  const chosen = kept.measured.find(({ name }) => name === kept.chosen)
  expect(chosen?.tuning).toEqual(kept.tuning)
  expect(await readTuning(join(home, 'models'), kept.sha256)).toEqual(kept)
  const graphs = await readdir(join(home, 'models/.prepared', kept.sha256))
  expect(graphs.filter((name) => name.endsWith('.ort'))).toHaveLength(1)
})
