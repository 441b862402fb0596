import type { Comparison } from '../../model/expected.ts'
import type { TriedModel } from '../../model/shelf/verify.ts'
import type { TensorStatistics } from '../../model/statistics.ts'

/** What a trial of a model showed, for people. */
export function trialText(tried: TriedModel): string {
  if ('problem' in tried) return indented([tried.problem])
  const { trial, comparison } = tried
  const { provider, inputSize, secondsPerImage, loadSeconds, pictures } = trial
  return indented([
    `tried on ${provider} at ${inputSize.width}x${inputSize.height}: ${secondsPerImage} s per image, loaded in ${loadSeconds} s`,
    ...pictures.flatMap(({ picture, verdict, iou, input, output, alpha }) => [
      `${picture}: ${verdict}, IoU ${iou} with the exact mask`,
      `  input   ${figures(input)}`,
      `  output  ${figures(output)}`,
      `  mask    ${figures(alpha)}`,
    ]),
    comparisonText(comparison),
  ])
}

function comparisonText(comparison: Comparison): string {
  switch (comparison.state) {
    case 'as-expected':
      return 'The masks agree with the published figures of this file.'
    case 'differs':
      return `The masks differ from the published figures of this file on: ${comparison.pictures.join(', ')}.`
    case 'nothing-known':
      return 'There are no published figures of this file. If you can, send these with an issue.'
  }
}

const figures = ({ min, max, mean, standardDeviation }: TensorStatistics): string =>
  `${min} to ${max}, mean ${mean}, standard deviation ${standardDeviation}`

const indented = (lines: readonly string[]): string => lines.map((line) => `         ${line}`).join('\n')
