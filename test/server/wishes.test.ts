/** What a request may say. */
import { expect, it } from 'vitest'
import { wishesOf } from '../../src/server/wishes.ts'

it('is a cut-out by the settings of the server, unless it says more', async () => {
  const wishes = await wishesOf({}, { format: 'webp', trim: true })
  expect(wishes).toMatchObject({ what: 'cutout', name: 'upload', cutout: { format: 'webp', trim: true } })
})

it('says how its cut-out is made, by the names and values of the settings', async () => {
  const given = {
    format: 'jpeg',
    quality: '80',
    size: '50x40',
    padding: '5%',
    background: '#ff0000',
    trim: '1',
  }
  const { cutout, cutoutParams } = await wishesOf(given, { format: 'webp' })
  expect(cutout).toMatchObject({
    ...{ format: 'jpeg', quality: 80, size: { width: 50, height: 40 }, trim: true },
    background: { color: [255, 0, 0] },
  })
  expect(cutoutParams).toMatchObject({ format: 'jpeg', quality: 80, background: '#ff0000' })
})

it('may ask for the mask, and give the picture a name', async () => {
  const wishes = await wishesOf({ result: 'mask', name: 'cup\n\u202e.jpg' }, {})
  expect(wishes).toMatchObject({ what: 'mask', name: 'cup.jpg' })
})

it('names a preset that ships, whose rules the cut-out is checked by', async () => {
  expect((await wishesOf({ preset: 'amazon' }, {})).cutout.rules).toBeDefined()
})

it.each([
  [{ background: '/etc/passwd' }, 'background'],
  [{ background: 'white.png' }, 'background'],
  [{ preset: '../../secret.json' }, 'preset'],
  [{ preset: 'nothing' }, 'preset'],
  [{ size: 'large' }, 'size'],
  [{ quality: '80' }, 'quality'],
  [{ result: 'both' }, 'result'],
  [{ colour: 'red' }, 'colour'],
])('is refused with %j', async (given, named) => {
  await expect(wishesOf(given as Record<string, string>, {})).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(named),
  })
})
