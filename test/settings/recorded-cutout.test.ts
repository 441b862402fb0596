import { expect, it } from 'vitest'
import { resolveCutout } from '../../src/settings/cutout-settings.ts'
import { parsedCutout } from '../../src/settings/presets.ts'
import { recipeAgain, recordedCutout, typedCutout } from '../../src/settings/recorded-cutout.ts'

const typed = {
  format: 'webp',
  quality: '80',
  background: '#f5f5f5',
  shadow: '1% 2% 2% 40%',
  trim: 'true',
  padding: '5%',
  size: '800x600',
  fit: 'inside',
  refine: 'false',
}

it('gives the same cut-out again, and shows it as somebody would type it', async () => {
  const { params } = await resolveCutout(parsedCutout(typed))
  const recorded = JSON.parse(JSON.stringify({ model: { name: 'silhouette' }, ...params }))
  expect((await recipeAgain(recorded, {})).cutoutParams).toEqual(params)
  const { format: _, quality: __, fit: ___, ...shown } = typed
  expect(typedCutout(recordedCutout(recorded).given)).toEqual(shown)
  const plain = await resolveCutout({})
  expect((await recipeAgain(plain.params, {})).cutoutParams).toEqual(plain.params)
})

it('changes what is asked for, and takes back what is left empty', async () => {
  const { params } = await resolveCutout(parsedCutout(typed))
  const { cutoutParams } = await recipeAgain(params, { size: '', background: 'none', padding: '10px' })
  expect(cutoutParams).toEqual({
    ...(
      await resolveCutout(
        parsedCutout({ ...typed, size: undefined, fit: undefined, background: 'none', padding: '10px' }),
      )
    ).params,
  })
})

it.each([
  [{ background: '/etc/passwd' }, 'CSS color'],
  [{ size: 'large' }, '"size" is not usable'],
])('refuses %j', async (changes, said) => {
  await expect(recipeAgain({}, changes)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(said),
  })
})

it('needs a background for what stood on a picture', async () => {
  const params = { background: { sha256: 'a' } }
  expect(recordedCutout(params).lacksBackground).toBe(true)
  await expect(recipeAgain(params, {})).rejects.toMatchObject({ code: 'USAGE' })
  expect((await recipeAgain(params, { background: '' })).cutoutParams).not.toHaveProperty('background')
})
