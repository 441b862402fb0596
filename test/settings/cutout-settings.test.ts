/** What the settings of the cut-out mean together. */
import { describe, expect, it } from 'vitest'
import { cutoutSettings, resolveCutout } from '../../src/settings/cutout-settings.ts'

describe('the parameters of a job', () => {
  it('say only what is not the default, so that a new setting changes no old fingerprint', async () => {
    expect((await resolveCutout({})).params).toEqual({ format: 'png', refine: true, keepHiddenColor: false })
  })

  it('say everything that was chosen', async () => {
    const { params, extension } = await resolveCutout({
      format: 'jpeg',
      maxBytes: 500_000,
      background: 'white',
      trim: true,
      padding: { share: 0.05 },
      size: { width: 2000, height: undefined },
      icc: 'keep',
      keepMetadata: true,
      refine: false,
    })
    expect(extension).toBe('jpg')
    expect(params).toEqual({
      format: 'jpeg',
      quality: 90,
      maxBytes: 500_000,
      background: '#ffffff',
      trim: true,
      padding: { share: 0.05 },
      size: { width: 2000, height: undefined },
      fit: 'contain',
      icc: 'keep',
      keepMetadata: true,
      refine: false,
      keepHiddenColor: false,
    })
  })
})

describe('settings that contradict each other', () => {
  it.each([
    [{ quality: 80 }, '--quality has no meaning for PNG'],
    [{ fit: 'cover' as const }, '--fit needs a --size'],
    [
      { padding: { pixels: 100 }, size: { width: 200, height: 400 } },
      'A padding of 100 pixels leaves no room in 200 pixels.',
    ],
    [{ background: 'no such file' }, 'neither a colo'],
  ])('are refused: %j', async (settings, sentence) => {
    await expect(resolveCutout(settings)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(sentence),
    })
  })
})

describe('a shadow', () => {
  const { schema } = cutoutSettings.shadow
  it.each([
    ['none', 'none'],
    ['soft', { x: 0, y: 0.015, blur: 0.015, strength: 0.4 }],
    ['-1% 2.5% 0% 100%', { x: -0.01, y: 0.025, blur: 0, strength: 1 }],
  ])('%s', (text, meant) => expect(schema.parse(text)).toEqual(meant))

  it.each([
    '',
    'hard',
    '1 2 3 4',
    '1% 2% 3%',
    '1% 2% 3% 0%',
    '1% 2% -3% 40%',
    '1% 2% 3% 101%',
    '1% 2% 3% 4% 5%',
  ])('is not %j', (text) => expect(schema.safeParse(text).success).toBe(false))

  it('is a parameter of its jobs, and none when there is none', async () => {
    const shadow = { x: 0, y: 0.02, blur: 0.02, strength: 0.4 }
    expect((await resolveCutout({ shadow })).params).toMatchObject({ shadow })
    expect((await resolveCutout({ shadow: 'none' })).params).not.toHaveProperty('shadow')
  })
})
