import { describe, expect, it } from 'vitest'
import { resolveSettings } from '../../src/settings/settings.ts'
import { assertResultStays } from '../../src/terminal/keep-flag.ts'
import { temporaryFolder } from '../support/cli.ts'

describe('what is kept of an image', () => {
  const keep = async (value: string) =>
    (await resolveSettings({ keep: value }, {}, await temporaryFolder())).keep

  it('is everything, or the kinds that are named, or nothing', async () => {
    expect((await resolveSettings({}, {}, await temporaryFolder())).keep).toEqual([
      'original',
      'mask',
      'processed',
    ])
    expect(await keep('processed, original')).toEqual(['original', 'processed'])
    expect(await keep('none')).toEqual([])
    await expect(keep('masks')).rejects.toThrow('--keep expects original, mask, processed')
    await expect(keep('none,mask')).rejects.toThrow('--keep')
  })

  it('is a mask or a cut-out, or there is a folder for the cut-outs', () => {
    expect(() => assertResultStays(['mask'], { isLocal: false })).not.toThrow()
    expect(() => assertResultStays([], { isLocal: true })).not.toThrow()
    for (const kept of [[], ['original'] as const]) {
      expect(() => assertResultStays([...kept], { isLocal: false })).toThrow(
        'neither mask nor cut-out would stay',
      )
    }
  })
})
