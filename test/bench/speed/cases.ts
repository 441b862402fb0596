import { type BenchModel, heavyModel, lightModel } from './models.ts'
import { type PictureSize, pictures } from './pictures.ts'

type Megapixels = PictureSize & number

/** How many pictures of a size each model is given. */
export type Plan = readonly { megapixels: Megapixels; light: number; heavy: number }[]

export interface Case {
  model: BenchModel
  megapixels: Megapixels
  files: string[]
}

export interface CaseOptions {
  models: readonly string[]
  megapixels: readonly number[]
  tell: (line: string) => void
}

/** Every model with every size that is asked for, models and pictures made. */
export async function casesOf(plan: Plan, { models, megapixels, tell }: CaseOptions): Promise<Case[]> {
  const cases: Case[] = []
  for (const [name, make] of [
    ['light', lightModel],
    ['heavy', heavyModel],
  ] as const) {
    if (!models.includes(name)) continue
    const model = await make()
    for (const each of plan.filter((size) => megapixels.includes(size.megapixels))) {
      tell(`pictures of ${each.megapixels} megapixels`)
      cases.push({ model, megapixels: each.megapixels, files: await pictures(each.megapixels, each[name]) })
    }
  }
  return cases
}
