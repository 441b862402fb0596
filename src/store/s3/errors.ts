import { type ErrorCode, RmbgError } from '../../errors.ts'

interface S3Failure {
  name?: string
  message?: string
  code?: string
  $metadata?: { httpStatusCode?: number }
}

type Explanation = [code: ErrorCode, sentence: string, hint: string]

const credentials = 'Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the profile or role in use).'

const damaged: Explanation = [
  'STORE_CHECKSUM',
  'What arrived in {place} as {key} is not what was sent.',
  'Run the command again. If it happens again, check the network and the store.',
]

/** The SDK has no name for this error. */
const noRegion = 'Region is missing'

/** What the error names of S3 servers and the SDK mean, and what to do. Nothing here repeats a credential. */
const sentences: Record<string, Explanation> = {
  NoSuchBucket: [
    'STORE_DENIED',
    'The bucket of {place} does not exist.',
    'Create it, or check S3_BUCKET and S3_ENDPOINT.',
  ],
  InvalidBucketName: ['STORE_DENIED', 'The bucket name of {place} is not valid.', 'Check S3_BUCKET.'],
  InvalidAccessKeyId: ['STORE_DENIED', '{place} does not know the access key.', credentials],
  SignatureDoesNotMatch: [
    'STORE_DENIED',
    '{place} refused the secret key.',
    `${credentials} Some servers also need S3_REGION.`,
  ],
  AccessDenied: [
    'STORE_DENIED',
    '{place} denied access.',
    'The key needs s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject there.',
  ],
  ExpiredToken: [
    'STORE_DENIED',
    'The credentials for {place} have expired.',
    'Get new ones and run the command again.',
  ],
  CredentialsProviderError: ['STORE_DENIED', 'There are no credentials for {place}.', credentials],
  RequestTimeTooSkewed: [
    'STORE_DENIED',
    'The clock of this machine differs too much from that of {place}.',
    'Set the clock.',
  ],
  PermanentRedirect: ['STORE_DENIED', '{place} is in another region.', 'Set S3_REGION.'],
  AuthorizationHeaderMalformed: ['STORE_DENIED', '{place} is in another region.', 'Set S3_REGION.'],
  [noRegion]: [
    'STORE_DENIED',
    'The region of {place} is not known.',
    'Set S3_REGION, or S3_ENDPOINT where the store is not that of AWS.',
  ],
  QuotaExceeded: [
    'STORE_FULL',
    '{place} has no room left.',
    'Raise the quota, or make room with rmbg prune.',
  ],
  XMinioStorageFull: ['STORE_FULL', '{place} has no room left.', 'Make room and run the command again.'],
  NoSuchKey: [
    'STORE_OBJECT_MISSING',
    'The object {key} is not in {place}.',
    'Process its image again with --force.',
  ],
  NotFound: [
    'STORE_OBJECT_MISSING',
    'The object {key} is not in {place}.',
    'Process its image again with --force.',
  ],
  BadDigest: damaged,
  XAmzContentSHA256Mismatch: damaged,
}

const byStatus: Record<number, string> = {
  401: 'AccessDenied',
  403: 'AccessDenied',
  404: 'NotFound',
  507: 'XMinioStorageFull',
}

/** Whether the server refused a body because its checksum does not match. */
export const isChecksumRefusal = (error: Error): boolean => sentences[error.name] === damaged

/** Whether the SDK found that a body it read does not match its checksum; it has no name for this error. */
export const isChecksumMismatch = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('Checksum mismatch')

/** Awaits a request to an S3 server; parameters and errors are those of `s3Error`. */
export async function orS3Error<T>(
  action: Promise<T>,
  place: string,
  key?: string,
  rights?: string,
): Promise<T> {
  try {
    return await action
  } catch (cause) {
    throw s3Error(cause, place, key, rights)
  }
}

/**
 * Says what went wrong in the sentence a person needs; an abort stays as it is.
 *
 * @param place bucket and server, for people
 * @param key of the object; absent if the request was about the bucket
 * @param rights what the access key needs, where that is more than reading, writing and removing objects
 */
export function s3Error(cause: unknown, place: string, key?: string, rights?: string): Error {
  if (cause instanceof RmbgError) return cause
  const { name: given = '', message = '', code, $metadata } = cause as S3Failure
  // Where the SDK has no name for an error, its message tells more.
  const name = given === 'Error' ? message : given
  if (name === 'AbortError') return cause as Error
  const status = $metadata?.httpStatusCode
  const known =
    name === 'NotFound' && key === undefined
      ? 'NoSuchBucket'
      : name in sentences
        ? name
        : byStatus[status ?? 0]
  const [kind, sentence, hint] = sentences[
    known === 'NotFound' && key === undefined ? 'NoSuchBucket' : (known ?? '')
  ] ?? [
    'STORE_UNAVAILABLE' as const,
    `{place} cannot be reached or does not answer (${code ?? (name || message)}${status ? `, HTTP ${status}` : ''}).`,
    'Check S3_ENDPOINT and that the store is running.',
  ]
  const told = sentence.replace('{place}', place).replace('{key}', key ?? '')
  return new RmbgError(kind, told.replace(/^the /, 'The '), {
    hint: known === 'AccessDenied' && rights !== undefined ? `The key needs ${rights} there.` : hint,
    cause,
  })
}
