import { expect, it } from 'vitest'
import { maskedSecrets } from '../../../src/terminal/texts/config-text.ts'

it.each([
  ['postgres://anna:secret@a:1,b:2/shop?sslmode=require', 'postgres://anna:***@a:1,b:2/shop?sslmode=require'],
  ['postgres://a,b/shop?password=secret', 'postgres://a,b/shop?password=***'],
  ['postgres://u:5,secret@h/shop', 'postgres://u:***@h/shop'],
  ['postgres://u:secret@/shop', '***'],
  ['postgres://u:sec/ret@a,b/shop', '***'],
  ['embedded', 'embedded'],
])('shows %s as %s', (value, shown) => {
  const [setting] = maskedSecrets([{ name: 'databaseUrl', value, source: 'environment' }])
  expect(setting?.value).toBe(shown)
})
