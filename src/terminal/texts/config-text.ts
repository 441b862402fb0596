import { embeddedDatabase } from '../../settings/database-place.ts'
import type { SettingName, TracedSetting } from '../../settings/settings.ts'
import { table } from '../table.ts'

const mask = '***'
const secrets: readonly SettingName[] = ['encryptionKey', 'hfToken']
const urls: readonly SettingName[] = [
  'databaseUrl',
  'databaseDirectUrl',
  'databaseReplicaUrl',
  'redisUrl',
  's3Endpoint',
  'hfEndpoint',
]

/** The same settings, without what would give access to something. */
export const maskedSecrets = (settings: readonly TracedSetting[]): TracedSetting[] =>
  settings.map((setting) => {
    if (setting.value === undefined) return setting
    if (secrets.includes(setting.name)) return { ...setting, value: mask }
    return urls.includes(setting.name) ? { ...setting, value: maskedUrl(String(setting.value)) } : setting
  })

/** A password may be in front of the host, or in the query string as libpq has it. */
function maskedUrl(text: string): string {
  if (text === embeddedDatabase) return text
  const [, before = '', hosts = '', after = ''] = severalHosts.exec(text) ?? []
  // URL knows one host.
  if (hosts !== '') return maskedUrl(`${before}${oneHost}${after}`).replace(oneHost, hosts)
  if (!URL.canParse(text)) return mask
  const url = new URL(text)
  if (url.password !== '') url.password = mask
  for (const name of url.searchParams.keys()) {
    if (/pass|secret|token|key/i.test(name)) url.searchParams.set(name, mask)
  }
  return url.href
}

const severalHosts = /^(postgres(?:ql)?:\/\/(?:[^/]*@)?)([^/?@]*,[^/?@]*)([/?].*)?$/i
const oneHost = 'several.hosts.invalid'

export const configText = (settings: readonly TracedSetting[]): string =>
  table(
    ['SETTING', 'VALUE', 'FROM'],
    settings.map(({ name, value, source, from }) => [
      name,
      value === undefined ? '' : textOf(value),
      from ?? (source === 'default' ? 'default' : 'not set'),
    ]),
  )

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
