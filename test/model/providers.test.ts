/** Where a model runs: on the device that was named, or nowhere. */
import { describe, expect, it } from 'vitest'
import { openOnDevice } from '../../src/model/providers.ts'
import { openModel } from '../../src/model/session.ts'
import { model, plainSpec, redChannel } from './graphs.ts'

const cpuOnly = [{ name: 'cpu', bundled: true }]
const windows = [...cpuOnly, { name: 'dml', bundled: true }]
const linux = [...cpuOnly, { name: 'cuda', bundled: false }, { name: 'tensorrt', bundled: false }]
const opens = async (providers: string[]) => providers

describe('a device that is named', () => {
  it('is the one that is used', async () => {
    expect(await openOnDevice('cpu', opens, linux, '/nowhere')).toEqual({ session: ['cpu'], provider: 'cpu' })
    expect(await openOnDevice('directml', opens, windows, '/nowhere')).toEqual({
      session: ['dml'],
      provider: 'directml',
    })
  })

  it('is refused when this platform has none, with those it has', async () => {
    const refused = openOnDevice('coreml', opens, windows, '/nowhere')
    await expect(refused).rejects.toMatchObject({
      code: 'DEVICE_UNAVAILABLE',
      message: expect.stringContaining('The device coreml does not exist'),
      hint: 'ONNX Runtime knows cpu, directml here.',
    })
  })

  it('is refused when its library is not installed, with the command that installs it', async () => {
    await expect(openOnDevice('cuda', opens, linux, '/nowhere')).rejects.toMatchObject({
      code: 'DEVICE_UNAVAILABLE',
      message: expect.stringContaining('onnxruntime_providers_cuda'),
      hint: expect.stringContaining('--onnxruntime-node-install'),
    })
  })

  it('is refused when it does not start, with the reason', async () => {
    const fails = async (): Promise<never> => {
      throw new Error('/src/webgpu.cc:136 status was false. Failed to get an adapter: none there\n')
    }
    await expect(openOnDevice('directml', fails, windows, '/nowhere')).rejects.toMatchObject({
      code: 'DEVICE_UNAVAILABLE',
      message: 'The device directml cannot be used: Failed to get an adapter: none there.',
    })
  })
})

describe('auto', () => {
  it('takes what is installed, and the CPU where nothing is', async () => {
    expect(await openOnDevice('auto', opens, windows, '/nowhere')).toMatchObject({ provider: 'directml' })
    expect(await openOnDevice('auto', opens, linux, '/nowhere')).toEqual({
      session: ['cpu'],
      provider: 'cpu',
    })
  })

  it('says so when what is installed does not work', async () => {
    const opened = await openOnDevice(
      'auto',
      async (providers) => {
        if (providers[0] === 'dml') throw new Error('no adapter')
        return providers
      },
      windows,
      '/nowhere',
    )
    expect(opened).toEqual({
      session: ['cpu'],
      provider: 'cpu',
      notice: 'The device directml cannot be used: no adapter. The model runs on the CPU.',
    })
  })
})

describe('models', () => {
  it('say what they run on; two live side by side, and one can be loaded again', async () => {
    const file = await model({}, redChannel)
    const first = await openModel(plainSpec(file), { threads: 1, device: 'cpu' })
    const second = await openModel(plainSpec(file, { normalisation: { mean: [0, 0, 0], std: [2, 2, 2] } }), {
      threads: 1,
    })
    expect(first).toMatchObject({ provider: 'cpu', notice: undefined })
    const picture = () => new Uint8Array(72).fill(255)
    const [a, b] = await Promise.all([first.predict(picture()), second.predict(picture())])
    expect([a.alpha[0], b.alpha[0]]).toEqual([1, 0.5])
    await first.close()
    const again = await openModel(plainSpec(file), { threads: 1 })
    expect((await again.predict(picture())).alpha[0]).toBe(1)
    expect((await second.predict(picture())).alpha[0]).toBe(0.5)
    await Promise.all([second.close(), again.close()])
  })
})
