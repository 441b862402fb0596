import { type BenchModel, heavyModel, lightModel } from './models.ts'
import { megapixelsOf, type PictureSize, photosIn, pictures } from './pictures.ts'

type Megapixels = PictureSize & number

/** How many pictures of a size each model is given. */
export type Plan = readonly { megapixels: Megapixels; light: number; heavy: number }[]

export interface Case {
  model: BenchModel
  /** Of photographs their mean. */
  megapixels: number
  files: string[]
}

export interface CaseOptions {
  models: readonly string[]
  megapixels: readonly number[]
  /** Folder of photographs that are taken as they are, in place of made ones of each size. */
  photos: string | undefined
  /** Divides how many pictures there are. */
  shorter: number
  tell: (line: string) => void
}

/** Every model with every size that is asked for, models and pictures made; or with the photographs that are named. */
export async function casesOf(
  plan: Plan,
  { models, megapixels, photos, shorter, tell }: CaseOptions,
): Promise<Case[]> {
  const cases: Case[] = []
  for (const [name, make] of [
    ['light', lightModel],
    ['heavy', heavyModel],
  ] as const) {
    if (!models.includes(name)) continue
    const model = await make()
    if (photos !== undefined) {
      const files = (await photosIn(photos)).slice(0, Math.max(...plan.map((size) => size[name])))
      cases.push({ model, megapixels: await megapixelsOf(files), files })
      continue
    }
    for (const each of plan.filter((size) => megapixels.includes(size.megapixels))) {
      tell(`pictures of ${each.megapixels} megapixels`)
      const count = Math.max(Math.ceil(each[name] / shorter), 4)
      cases.push({ model, megapixels: each.megapixels, files: await pictures(each.megapixels, count) })
    }
  }
  return cases
}
