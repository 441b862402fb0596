/**
 * What a file in the working directory may set. It may have come with somebody else's photographs or repository, so it
 * must not send pictures, passwords or tokens to a server of its choice, nor lead out of its folder.
 */
import { realpath } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { RmbgError } from '../errors.ts'
import { type SettingName, settings } from './definitions.ts'

/** What a setting names, where that is more than a way of working. */
type Names = 'a server' | 'a bucket' | 'a secret' | 'a place' | 'a file' | 'nothing'

const named: Record<SettingName, Names> = {
  home: 'a place',
  databaseUrl: 'a server',
  databaseDirectUrl: 'a server',
  databaseReplicaUrl: 'a server',
  databaseConnections: 'nothing',
  s3Bucket: 'a bucket',
  s3BucketOriginal: 'a bucket',
  s3BucketMask: 'a bucket',
  s3BucketProcessed: 'a bucket',
  s3Prefix: 'a bucket',
  s3Endpoint: 'a server',
  s3Region: 'a server',
  s3ForcePathStyle: 'nothing',
  s3Checksums: 'nothing',
  patience: 'nothing',
  backupTo: 'a place',
  redisUrl: 'a server',
  cacheTtl: 'nothing',
  encryptionKey: 'a secret',
  model: 'a file',
  serverToken: 'a secret',
  watchSecret: 'a secret',
  hfToken: 'a secret',
  hfEndpoint: 'a server',
  device: 'nothing',
  threads: 'nothing',
  concurrency: 'nothing',
  maxMemory: 'nothing',
  maxPixels: 'nothing',
  allowSvg: 'nothing',
  preset: 'a file',
  format: 'nothing',
  quality: 'nothing',
  maxBytes: 'nothing',
  background: 'a file',
  shadow: 'nothing',
  trim: 'nothing',
  padding: 'nothing',
  size: 'nothing',
  fit: 'nothing',
  icc: 'nothing',
  keepMetadata: 'nothing',
  refine: 'nothing',
  keepHiddenColor: 'nothing',
  failOnReview: 'nothing',
  keep: 'nothing',
  originals: 'nothing',
  ignore: 'nothing',
  output: 'a place',
  masks: 'a place',
  user: 'nothing',
  tag: 'nothing',
}

/**
 * Refuses a setting of a file in the working directory that names a server, a bucket, a secret, or a place outside.
 *
 * @param file for people, such as `rmbg.config.json`
 * @param userFile where such a setting may stand
 * @throws RmbgError CONFIG_INVALID naming the file, the key and the way out
 */
export async function assertProjectMaySet(
  name: SettingName,
  value: unknown,
  { file, cwd, userFile }: { file: string; cwd: string; userFile: string },
): Promise<void> {
  const what = named[name]
  if (what === 'nothing') return
  const refused = (reason: string) =>
    new RmbgError(
      'CONFIG_INVALID',
      `"${name}" in ${file} ${reason}, which a file in the working directory may not do.`,
      {
        hint: `Set ${settings[name].env}, or move it to your own file, ${userFile}.`,
      },
    )
  if (what !== 'a place' && what !== 'a file') throw refused(`names ${what}`)
  if (typeof value !== 'string') return // the schema refuses it
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(value)) throw refused('names a server')
  if (!(await isInside(cwd, resolve(cwd, value.trim())))) throw refused(`names ${what} outside of it`)
}

/** Links are followed: one in the folder may lead out of it. */
async function isInside(folder: string, path: string): Promise<boolean> {
  const way = relative(await real(folder), await real(path))
  return way === '' || !(way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way))
}

/** The real path of what need not exist yet. */
async function real(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    const parent = dirname(path)
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error
    return join(await real(parent), basename(path))
  }
}
