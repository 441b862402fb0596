/** The parameters of a connection: which there are, where each is looked for, and what it may be. */
import { z } from 'zod'
import { RmbgError } from '../../errors.ts'
import { serviceFiles, serviceParameters } from './service-file.ts'
import { type Given, parseUrl } from './url.ts'

const word = z.string()
const yesOrNo = z.enum(['0', '1']).transform((value) => value === '1')
const truth = z.stringbool({ truthy: ['true', '1'], falsy: ['false', '0'] })
const seconds = z.coerce.number().int()
const tlsVersion = z.enum(['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'])

/** Those of libpq that are honored. A missing one has libpq's default. */
const ofLibpq = {
  host: word,
  hostaddr: word,
  port: word,
  dbname: word,
  user: word,
  password: word,
  passfile: word,
  connect_timeout: seconds,
  options: word,
  application_name: word,
  fallback_application_name: word,
  keepalives: yesOrNo,
  keepalives_idle: seconds,
  /** `no-verify` is node-postgres's: as `require`, whatever files there are. */
  sslmode: z.enum(['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify']),
  sslnegotiation: z.enum(['postgres', 'direct']),
  sslcert: word,
  sslkey: word,
  sslpassword: word,
  sslrootcert: word,
  sslcrl: word,
  sslsni: yesOrNo,
  ssl_min_protocol_version: tlsVersion,
  ssl_max_protocol_version: tlsVersion,
  target_session_attrs: z.enum(['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby']),
  load_balance_hosts: z.enum(['disable', 'random']),
  service: word,
}

/** Those of libpq that are accepted where they ask for nothing that is missing here. */
const ofLibpqInPart = {
  channel_binding: z.enum(['disable', 'prefer'], {
    error:
      'channel binding cannot be required here. Remove it, and use sslmode=verify-full, which proves who the server is',
  }),
  client_encoding: z.string().regex(/^(auto|utf-?8|unicode)$/i, 'this program speaks UTF8'),
  gssencmode: z.enum(['disable', 'prefer'], { error: 'GSSAPI is not spoken here' }),
  sslcompression: z.enum(['0', '1']),
}

/** What other drivers and providers write. */
const ofOthers = {
  /** Prisma, Supabase: a pooler that gives each transaction another session. */
  pgbouncer: truth,
  /** postgres.js. */
  prepare: truth,
  /** Prisma. */
  schema: word,
  connection_limit: z.coerce.number().int().min(1),
  /** node-postgres: asks for libpq's meaning of sslmode, which is the only one here. */
  uselibpqcompat: truth,
  /** Vercel marks Supabase's poolers so. */
  supa: word,
  /** Settings of the session that the server is asked to apply. */
  search_path: word,
  statement_timeout: word,
  lock_timeout: word,
  idle_in_transaction_session_timeout: word,
}

const known = { ...ofLibpq, ...ofLibpqInPart, ...ofOthers }
type Name = keyof typeof known

/** Checked, with the types of their values. */
export type Parameters = { [Key in Name]?: z.infer<(typeof known)[Key]> }

/** libpq's variables. An application that reads only some of them connects elsewhere than psql does. */
const variables: Partial<Record<Name, string>> = {
  host: 'PGHOST',
  hostaddr: 'PGHOSTADDR',
  port: 'PGPORT',
  dbname: 'PGDATABASE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  passfile: 'PGPASSFILE',
  service: 'PGSERVICE',
  channel_binding: 'PGCHANNELBINDING',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  options: 'PGOPTIONS',
  application_name: 'PGAPPNAME',
  sslmode: 'PGSSLMODE',
  sslnegotiation: 'PGSSLNEGOTIATION',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslrootcert: 'PGSSLROOTCERT',
  sslcrl: 'PGSSLCRL',
  sslsni: 'PGSSLSNI',
  ssl_min_protocol_version: 'PGSSLMINPROTOCOLVERSION',
  ssl_max_protocol_version: 'PGSSLMAXPROTOCOLVERSION',
  gssencmode: 'PGGSSENCMODE',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
  load_balance_hosts: 'PGLOADBALANCEHOSTS',
}

interface Source {
  given: Given
  /** What a sentence says of one of its parameters: `sslmode in DATABASE_URL`, `PGSSLMODE`. */
  nameOf: (parameter: string) => string
}

/**
 * The parameters of a connection: those of the URL, then those of the service that is named, then libpq's variables.
 *
 * @throws RmbgError DATABASE_UNAVAILABLE when the URL is none, CONFIG_INVALID when a parameter is unknown or cannot be
 *   honored, or the service is in no file
 */
export function connectionParameters(url: string, env: NodeJS.ProcessEnv, home: string): Parameters {
  const ofUrl: Source = { given: parseUrl(url), nameOf: (parameter) => `${parameter} in DATABASE_URL` }
  const ofVariables: Source = {
    given: givenByVariables(env),
    nameOf: (parameter) => variables[parameter as Name] ?? parameter,
  }
  const service = ofUrl.given.service ?? ofVariables.given.service
  const sources = [ofUrl, ...(service ? [ofService(service, env, home)] : []), ofVariables]
  return Object.assign({}, ...sources.map(checked).reverse())
}

function givenByVariables(env: NodeJS.ProcessEnv): Given {
  const given: Given = {}
  for (const [parameter, variable] of Object.entries(variables)) {
    const value = env[variable]
    if (value) given[parameter] = value
  }
  return given
}

function ofService(name: string, env: NodeJS.ProcessEnv, home: string): Source {
  const { given, file } = serviceParameters(name, serviceFiles(env, home))
  return { given, nameOf: (parameter) => `${parameter} in ${file}` }
}

function checked({ given, nameOf }: Source): Parameters {
  const translated = withSslmode(given)
  const unknown = Object.keys(translated).filter((name) => !Object.hasOwn(known, name))
  if (unknown.length > 0) {
    const [first = '', ...others] = unknown
    const names = [nameOf(first), ...others].join(', ')
    throw new RmbgError(
      'CONFIG_INVALID',
      `${names}: ${others.length > 0 ? 'these parameters are' : 'this parameter is'} not known.`,
      {
        hint: 'docs/database.md lists those that are. Settings of the session go into options=-c name=value.',
      },
    )
  }
  return Object.fromEntries(
    Object.entries(translated).map(([name, value]) => {
      const result = known[name as Name].safeParse(value)
      if (result.success) return [name, result.data]
      // The value is not shown: it may have slipped here from the password.
      throw new RmbgError(
        'CONFIG_INVALID',
        `${nameOf(name)}: ${expectation(result.error.issues[0]?.message)}.`,
      )
    }),
  )
}

/** zod puts what was received before or after what it expected. */
const expectation = (message = 'expected another value'): string =>
  /expected [^,]*/.exec(message)?.[0] ?? message

/** `ssl` is JDBC's and postgres.js's. */
function withSslmode({ ssl, ...given }: Given): Given {
  if (ssl === undefined) return given
  const modes: Given = { true: 'require', 1: 'require', false: 'disable', 0: 'disable' }
  return { sslmode: modes[ssl] ?? ssl, ...given }
}
