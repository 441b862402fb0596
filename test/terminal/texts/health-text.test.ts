import { expect, it } from 'vitest'
import type { HealthCheck } from '../../../src/database/health/contract.ts'
import { healthText, overallLevel, suggestionText } from '../../../src/terminal/texts/health-text.ts'

const check = (name: string, changes: Partial<HealthCheck>): HealthCheck => ({
  ...{ name, level: 'ok', summary: `${name} is looked at.`, details: [], metrics: [] },
  ...changes,
})

it('each check is a line, with what to do below those that are not well', () => {
  const text = healthText([
    check('disk', { details: ['Told to nobody.'] }),
    check('replication-slots', { level: 'warn', details: ['Drop it.'] }),
    check('sequences', { level: 'unknown', grant: 'GRANT SELECT ON SEQUENCE s TO r' }),
  ])
  expect(text.split('\n')).toEqual([
    'OK       disk               disk is looked at.',
    'WARN     replication-slots  replication-slots is looked at.',
    '                            Drop it.',
    'UNKNOWN  sequences          sequences is looked at.',
    '                            Shown in full after: GRANT SELECT ON SEQUENCE s TO r',
  ])
})

it('what nobody could see from here wakes nobody, and what a role may not see does', () => {
  expect(overallLevel([check('disk', { level: 'unknown', unseen: true })])).toBe('ok')
  expect(overallLevel([check('disk', { level: 'unknown' })])).toBe('unknown')
})

it('settings are lines for postgresql.conf, and nothing that is told becomes one', () => {
  const suggestion = { current: '128MB', reason: 'a quarter', level: 'warn', needsRestart: true } as const
  const at = { database: 'postgres://host/db\nfsync = off', day: '2026-11-26' }
  const suggestions = [
    { ...suggestion, setting: 'shared_buffers', value: '4GB' },
    { ...suggestion, setting: 'work_mem', value: null, needsRestart: false },
  ]
  const text = suggestionText({ suggestions, machine: '16 GB of memory, 8 cores' }, at)
  const settings = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  expect(settings).toEqual(['shared_buffers = 4GB'])
  expect(text).toContain('# Now 128MB. Recommended: a quarter. Takes a restart.\nshared_buffers = 4GB')
  expect(text).toContain('#work_mem = ...')
  expect(suggestionText({ suggestions: [], machine: 'm' }, at)).toContain('nothing is to be changed')
})
