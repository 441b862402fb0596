/** What people write behind the flags of `rmbg query`, and what is looked for then. */
import { describe, expect, it } from 'vitest'
import { toFilter } from '../../src/terminal/filter-flags.ts'
import { queryFlags } from '../../src/terminal/query-flags.ts'
import { parseFlags } from './parse-flags.ts'

const filter = async (...argv: string[]) => toFilter(await parseFlags(queryFlags, argv))
const refusal = (sentence: string) =>
  expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(sentence) })

describe('a filter', () => {
  it.each([
    [[], {}],
    [
      ['--status', 'failed', '--status', 'pending', '--status', 'failed'],
      { statuses: ['failed', 'pending'] },
    ],
    [['--since', '7d', '--until', '6mo'], { since: { ago: '7 days' }, until: { ago: '6 months' } }],
    [['--since', '2026-11-01'], { since: { at: '2026-11-01T00:00Z' } }],
    [['--since', '2026-11-01T08:30'], { since: { at: '2026-11-01T08:30Z' } }],
    [['--since', '2026-11-01T08:30:00.123456+01:00'], { since: { at: '2026-11-01T08:30:00.123456+01:00' } }],
    [['--tag', 'a', '--tag', 'b', '--tag', 'a'], { tags: ['a', 'b'] }],
    [['--larger-than', '4MB'], { largerThanBytes: 4_000_000 }],
    [['--larger-than', '4MiB'], { largerThanBytes: 4_194_304 }],
    [['--needs-review'], { needsReview: true }],
    [['--param', 'threshold=0.9'], { params: { threshold: 0.9 } }],
    [['--params', '{"threshold":0.9}'], { params: { threshold: 0.9 } }],
    [
      [
        ...['--param', 'model.name=rmbg-2.0', '--param', 'refine=true', '--param', 'note=a=b'],
        ...['--param', 'empty=', '--params', '{"model":{"sha256":"x"}}'],
      ],
      { params: { model: { name: 'rmbg-2.0', sha256: 'x' }, refine: true, note: 'a=b', empty: '' } },
    ],
    [['--param', 'constructor.name=x'], { params: { constructor: { name: 'x' } } }],
  ])('of %j is %j', async (argv, wanted) => {
    expect(await filter(...argv)).toEqual(wanted)
  })

  it('of a key that every object has is that of its own', async () => {
    const { params } = await filter('--param', '__proto__.polluted=true')
    expect(JSON.stringify(params)).toBe('{"__proto__":{"polluted":true}}')
    expect({}).not.toHaveProperty('polluted')
  })

  it.each([
    [['--since', 'yesterday'], '--since expects a date'],
    [['--since', '2026-02-31'], '--since expects a date'],
    [['--since', '0000-01-01'], '--since expects a date'],
    [['--until', '7 parsecs'], '--until expects a date'],
    [['--until', '7x'], '--until expects an age'],
    [['--until', '9999y'], '--until expects an age'],
    [['--param', 'refine'], '--param expects KEY=VALUE but received "refine".'],
    [['--param', '=1'], '--param expects KEY=VALUE'],
    [['--param', 'a=\0'], '--param expects text that a database can hold'],
    [['--params', '[1]'], '--params expects a JSON object'],
    [['--params', '{"a":'], '--params expects a JSON object'],
    [['--params', '{"a":"\\u0000"}'], '--params expects text that a database can hold'],
    [['--larger-than', 'big'], '--larger-than expects a size such as 4MB but received "big".'],
  ])('of %j is refused with a sentence', async (argv, sentence) => {
    await expect(filter(...argv)).rejects.toEqual(refusal(sentence))
  })
})

const query = (...argv: string[]) => parseFlags(queryFlags, argv)

it('kinds are a list, in any order', async () => {
  expect(await query('--kind', 'processed, mask', '--download', '.')).toMatchObject({
    kind: ['processed', 'mask'],
  })
  await expect(query('--kind', 'mask,thumbnail', '--download', '.')).rejects.toEqual(
    refusal('--kind expects original, mask or processed but received "thumbnail".'),
  )
})

it('columns have either of their names', async () => {
  expect(await query('--columns', 'userId, image_width')).toMatchObject({ columns: ['userId', 'imageWidth'] })
  await expect(query('--columns', 'user_id,secret')).rejects.toEqual(refusal('received "secret"'))
})

it.each([
  ['90s', 90],
  ['15m', 900],
  ['1h', 3600],
  ['7d', 604_800],
])('links last for seconds, minutes, hours or days: %s', async (text, seconds) => {
  expect(await query('--urls', '--expires', text)).toMatchObject({ expires: seconds })
})

it.each([
  ['1y', '--expires expects a duration'],
  ['8d', '--expires expects at most 7d but received "8d".'],
])('links do not last for %s', async (text, sentence) => {
  await expect(query('--urls', '--expires', text)).rejects.toEqual(refusal(sentence))
})
