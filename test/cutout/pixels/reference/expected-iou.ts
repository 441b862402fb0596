/**
 * The overlap with the true subject that a matte promises, if each value is taken for the probability that its pixel
 * belongs to the subject: the expected intersection over the expected union of the mask at 0.5 and that subject.
 * A model that is unsure of large parts, inside or outside its mask, promises little.
 *
 * @param alpha 0..1, as the model gave it, before it is enlarged
 * @returns 0..1; 0 where no value reaches 0.5
 */
export function expectedIou(alpha: Float32Array): number {
  let [intersection, union] = [0, 0]
  for (let i = 0; i < alpha.length; i++) {
    const value = alpha[i]!
    if (value >= 0.5) {
      intersection += value
      union++
    } else union += value
  }
  return intersection === 0 ? 0 : intersection / union
}
