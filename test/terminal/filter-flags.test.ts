/** What people write behind the flags of `rmbg query`, and what is looked for then. */
import { describe, expect, it } from 'vitest'
import { parseSeconds } from '../../src/settings/when.ts'
import { toFilter } from '../../src/terminal/filter-flags.ts'
import { parseKinds } from '../../src/terminal/kinds.ts'

const filter = (flags: Partial<Parameters<typeof toFilter>[0]>) =>
  toFilter({ 'needs-review': false, ...flags })

describe('a filter', () => {
  it.each([
    [{}, {}],
    [{ status: ['failed', 'pending', 'failed'] }, { statuses: ['failed', 'pending'] }],
    [
      { since: '7d', until: '6mo' },
      { since: { ago: '7 days' }, until: { ago: '6 months' } },
    ],
    [{ since: '2026-11-01' }, { since: { at: '2026-11-01T00:00Z' } }],
    [{ since: '2026-11-01T08:30' }, { since: { at: '2026-11-01T08:30Z' } }],
    [{ since: '2026-11-01T08:30:00.123456+01:00' }, { since: { at: '2026-11-01T08:30:00.123456+01:00' } }],
    [{ tag: ['a', 'b', 'a'] }, { tags: ['a', 'b'] }],
    [{ 'larger-than': '4MB' }, { largerThanKb: 4096 }],
    [{ 'needs-review': true }, { needsReview: true }],
    [{ param: ['threshold=0.9'] }, { params: { threshold: 0.9 } }],
    [{ params: '{"threshold":0.9}' }, { params: { threshold: 0.9 } }],
    [
      {
        param: ['model.name=rmbg-2.0', 'refine=true', 'note=a=b', 'empty='],
        params: '{"model":{"sha256":"x"}}',
      },
      { params: { model: { name: 'rmbg-2.0', sha256: 'x' }, refine: true, note: 'a=b', empty: '' } },
    ],
    [{ param: ['constructor.name=x'] }, { params: { constructor: { name: 'x' } } }],
  ])('of %j is %j', (flags, wanted) => {
    expect(filter(flags)).toEqual(wanted)
  })

  it('of a key that every object has is that of its own', () => {
    const { params } = filter({ param: ['__proto__.polluted=true'] })
    expect(JSON.stringify(params)).toBe('{"__proto__":{"polluted":true}}')
    expect({}).not.toHaveProperty('polluted')
  })

  it.each([
    [{ since: 'yesterday' }, '--since expects a date'],
    [{ since: '2026-02-31' }, '--since expects a date'],
    [{ since: '0000-01-01' }, '--since expects a date'],
    [{ until: '7 parsecs' }, '--until expects a date'],
    [{ until: '7x' }, '--until expects an age'],
    [{ until: '9999y' }, '--until expects an age'],
    [{ param: ['refine'] }, '--param expects KEY=VALUE but received "refine".'],
    [{ param: ['=1'] }, '--param expects KEY=VALUE'],
    [{ params: '[1]' }, '--params expects a JSON object'],
    [{ params: '{"a":' }, '--params expects a JSON object'],
    [{ 'larger-than': 'big' }, '--larger-than expects a size such as 4MB.'],
  ])('of %j is refused with a sentence', (flags, sentence) => {
    expect(() => filter(flags)).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(sentence) }),
    )
  })
})

it('kinds are a list, in any order', () => {
  expect(parseKinds('processed, mask')).toEqual(['processed', 'mask'])
  expect(() => parseKinds('mask,thumbnail')).toThrow('--kind expects original, mask or processed')
})

it('links last for seconds, minutes, hours or days', () => {
  expect(['90s', '15m', '1h', '7d'].map((text) => parseSeconds('expires', text))).toEqual([
    90, 900, 3600, 604_800,
  ])
  expect(() => parseSeconds('expires', '1y')).toThrow('--expires expects a duration')
})
