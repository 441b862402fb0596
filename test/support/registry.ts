/** A small npm registry: it serves packages that were packed here, and asks the real one for all others. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { execa } from 'execa'
import { list } from 'tar'
import { EnvHttpProxyAgent, fetch } from 'undici'

interface Published {
  manifest: { name: string; version: string }
  bytes: Buffer
}

export interface Registry {
  url: string
  close: () => Promise<void>
}

/** @param tarballs paths of files that `npm pack` made */
export async function startRegistry(tarballs: readonly string[]): Promise<Registry> {
  const published = new Map<string, Published>()
  for (const path of tarballs)
    published.set(basename(path), { manifest: await manifestIn(path), bytes: await readFile(path) })
  const upstream = await npmSetting('registry')
  // npm's own file of certificates: a company's registry, or the proxy before it, may have one of its own.
  const cafile = await npmSetting('cafile')
  const tls = cafile === 'null' ? {} : { ca: await readFile(cafile) }
  const dispatcher = new EnvHttpProxyAgent({ connect: tls, requestTls: tls })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const origin = `http://${request.headers.host}/`
    const path = decodeURIComponent(request.url!.slice(1))
    const tarball = published.get(path.replace(/^-\/packed\//, ''))
    if (tarball) return void response.end(tarball.bytes)
    const ours = [...published].filter(([, { manifest }]) => manifest.name === path)
    if (ours.length > 0) {
      response.setHeader('content-type', 'application/json')
      return void response.end(JSON.stringify(packument(origin, ours)))
    }
    const real = await fetch(new URL(request.url!.slice(1), upstream), {
      dispatcher,
      headers: { accept: request.headers.accept ?? '*/*' },
    })
    const type = real.headers.get('content-type') ?? ''
    response.writeHead(real.status, { 'content-type': type })
    // As mirrors do: tarballs come from here, too.
    if (type.includes('json')) return void response.end((await real.text()).replaceAll(upstream, origin))
    if (real.body) await pipeline(Readable.fromWeb(real.body), response)
    else response.end()
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      if (response.headersSent) response.destroy()
      else response.writeHead(502).end(String(error))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await dispatcher.close()
    },
  }
}

const npmSetting = async (name: string): Promise<string> =>
  (await execa('npm', ['config', 'get', name])).stdout

/** What a registry answers to a package's name. */
function packument(origin: string, versions: [filename: string, Published][]) {
  const described = versions.map(([filename, { manifest, bytes }]) => [
    manifest.version,
    {
      ...manifest,
      dist: {
        tarball: `${origin}-/packed/${filename}`,
        integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
      },
    },
  ])
  const { name, version } = versions[0]![1].manifest
  // pnpm and Yarn do not take what was published a moment ago.
  const time = Object.fromEntries(
    versions.map(([, { manifest }]) => [manifest.version, '2020-01-01T00:00:00.000Z']),
  )
  return { name, 'dist-tags': { latest: version }, versions: Object.fromEntries(described), time }
}

async function manifestIn(tarball: string): Promise<Published['manifest']> {
  const parts: Buffer[] = []
  await list({
    file: tarball,
    filter: (path) => path === 'package/package.json',
    onReadEntry: (entry) => entry.on('data', (part) => parts.push(Buffer.from(part))),
  })
  return JSON.parse(Buffer.concat(parts).toString())
}
