import { readFile } from 'node:fs/promises'
import pLimit from 'p-limit'
import { readHeader } from '../cutout/codec/header.ts'
import { checkPicture, type PictureRules, type RuleViolation } from '../cutout/rules.ts'
import { RmbgError } from '../errors.ts'
import { systemPath } from '../system/file-names.ts'
import type { Candidate, Candidates } from './inputs.ts'

export interface CheckedPicture {
  input: string
  /** Empty for a picture that the catalogue accepts. */
  violations: (RuleViolation | { rule: 'readable'; message: string })[]
}

/**
 * Checks finished pictures against the rules of a catalogue, a few at a time. A picture that cannot be read breaks the
 * rule `readable`.
 *
 * @returns in the order of the candidates
 */
export async function checkPictures(
  candidates: Candidates,
  rules: PictureRules,
  { maxPixels, concurrency }: { maxPixels: number; concurrency: number },
): Promise<CheckedPicture[]> {
  const limit = pLimit(concurrency)
  const check = async ({ path, shown: input }: Candidate): Promise<CheckedPicture> => {
    try {
      const bytes = await readFile(systemPath(path))
      await readHeader(bytes, { maxPixels, allowSvg: false })
      return { input, violations: await checkPicture(bytes, rules) }
    } catch (cause) {
      const message =
        cause instanceof RmbgError ? cause.message : `The file cannot be read (${(cause as Error).message}).`
      return { input, violations: [{ rule: 'readable', message }] }
    }
  }
  return Promise.all(Array.from(candidates, (candidate) => limit(check, candidate)))
}
