/**
 * The real ISNet from the registry that this machine's npm is set to. It fetches 136 MB, so it runs in CI, and elsewhere
 * only where RMBG_TEST_REGISTRY is set; without a registry it is skipped.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { npmOffers } from '../../../src/model/shelf/npm.ts'
import { pullModel } from '../../../src/model/shelf/pull.ts'
import { type Trial, tryModel } from '../../../src/model/trial.ts'
import { temporaryFolder } from '../../support/cli.ts'

describe.runIf(process.env.CI || process.env.RMBG_TEST_REGISTRY)(
  'ISNet from the npm registry',
  { tags: ['servers'] },
  () => {
    it('is the one whose digest is pinned, and finds what is on the trial pictures', async ({ skip }) => {
      const refusal = await npmOffers('@imgly/background-removal-data@1.4.5')
      skip(refusal !== undefined, refusal)
      const modelsFolder = await temporaryFolder()
      let trial: Trial | undefined
      const pulled = await pullModel('isnet', {
        ...{ modelsFolder, endpoint: 'http://127.0.0.1:59999' },
        acceptsLicense: async () => true,
        tryIt: async (spec) => {
          trial = await tryModel(spec, { device: 'cpu' })
        },
      })
      expect(pulled).toMatchObject({ pinned: true, size: 88_188_479 })
      for (const { iou } of trial?.pictures ?? []) expect(iou).toBeGreaterThan(0.9)
      expect(
        (await readdir(join(modelsFolder, 'isnet'))).filter((name) => !name.endsWith('.lock')).sort(),
      ).toEqual(['medium.LICENSE.md', 'medium.ThirdPartyLicenses.json', 'medium.onnx', 'medium.origin.json'])
    }, 180_000)
  },
)
