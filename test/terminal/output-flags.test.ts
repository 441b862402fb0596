import { describe, expect, it } from 'vitest'
import { guardSuffix, outputFlags, planLocalFiles, toLocalWish } from '../../src/terminal/output-flags.ts'
import { parseFlags } from './parse-flags.ts'

const inputs = (...names: string[]) =>
  names.map((name) => ({ path: `/in/${name}`, shown: name, relative: name }))
const typed = { suffix: undefined, json: false, isTyped: true, isTerminal: false }
const wish = (settings: { output?: string; masks?: string }, more: Partial<typeof typed> = {}) =>
  toLocalWish(settings, { ...typed, ...more })

describe('standard output as the place of a cut-out', () => {
  it.each<[string, Partial<typeof typed>, string]>([
    ['a terminal', { isTerminal: true }, 'The bytes of a picture are not for a terminal.'],
    ['events', { json: true }, '--json and --output - both want standard output.'],
    ['a setting', { isTyped: false }, 'Only the flag --output can name standard output.'],
  ])('is not for %s', (_, more, sentence) => {
    expect(() => wish({ output: '-' }, more)).toThrow(sentence)
  })

  it('takes one', () => {
    const piped = wish({ output: '-' })
    expect(planLocalFiles(inputs('a.jpg'), piped, 'png').outputOf).toBeUndefined()
    expect(() => planLocalFiles(inputs('a.jpg', 'b.jpg'), piped, 'png')).toThrow(
      'Standard output takes one cut-out, and there are 2 inputs.',
    )
  })
})

describe('--masks', () => {
  const plan = (output: string, masks: string, suffix?: string, extension = 'png') =>
    planLocalFiles(inputs('a.jpg'), toLocalWish({ output, masks }, { ...typed, suffix }), extension)

  it('mirrors the inputs', () => {
    const { outputOf, maskOf } = plan('/out', '/masks', undefined, 'webp')
    const [a] = inputs('a.jpg')
    expect([outputOf?.(a!), maskOf?.(a!)]).toEqual(['/out/a.webp', '/masks/a.png'])
  })

  it('shares no names with the cut-outs', () => {
    expect(() => plan('/out', '/out')).toThrow('Cut-outs and masks would have the same names in /out.')
    expect(() => plan('/out/a.png', '/out')).toThrow('would have the same names')
    expect(() => plan('/out', '/out', '-cutout')).not.toThrow()
    expect(() => plan('/out', '/out', undefined, 'webp')).not.toThrow()
  })
})

describe('--suffix', () => {
  const suffix = async (...args: string[]) => (await parseFlags(outputFlags, guardSuffix(args))).suffix

  it('may begin with a dash, as suffixes do', async () => {
    expect(await suffix('--suffix', '-cutout')).toBe('-cutout')
    expect(await suffix('--suffix=-o')).toBe('-o')
    expect(await suffix('--suffix', '_x', '-o', 'out')).toBe('_x')
  })

  it('is a part of a name', async () => {
    await expect(suffix('--suffix', 'a/b')).rejects.toThrow('--suffix expects a part of a file name')
    await expect(suffix('--suffix')).rejects.toThrow('expects a value')
  })
})
