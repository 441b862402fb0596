/**
 * The order of test files: those that nobody has timed yet, then the longest first, whatever project they are in, so that
 * no long file is left for the end, when the other workers have nothing to do any more. Vitest's own order keeps projects
 * apart, and takes a file whose tests were all skipped for one that takes no time: `.ci/run` runs first without servers.
 */
import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { cache, config } = this.ctx
    const timed: { file: TestSpecification; ms: number }[] = []
    const untimed: TestSpecification[] = []
    for (const file of files) {
      const key = `${file.project.name}:${relative(config.root, file.moduleId)}`
      const ms = cache.getFileTestResults(key)?.duration
      if (ms) timed.push({ file, ms })
      else untimed.push(file)
    }
    timed.sort((a, b) => b.ms - a.ms)
    return [...(await super.sort(untimed)), ...timed.map(({ file }) => file)]
  }
}
