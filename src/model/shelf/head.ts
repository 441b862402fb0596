import { EnvHttpProxyAgent, fetch, type Headers } from 'undici'

/** A server that does not answer, or not with a file. */
export interface Unreachable {
  /** A clause, such as `huggingface.co cannot be reached (ENOTFOUND)`. */
  reason: string
}

const answerWithinMs = 10_000

/**
 * Asks for the head of a file alone. A redirect to where its bytes are is not followed: that there is one is the answer.
 * Proxies are taken from the environment.
 */
export async function askForHead(
  url: string,
  { token, signal }: { token?: string | undefined; signal?: AbortSignal | undefined } = {},
): Promise<{ status: number; headers: Headers } | Unreachable> {
  const timeout = AbortSignal.timeout(answerWithinMs)
  const dispatcher = new EnvHttpProxyAgent()
  try {
    const { status, headers } = await fetch(url, {
      method: 'HEAD',
      redirect: 'manual',
      dispatcher,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      headers: {
        'user-agent': 'rmbg-batch',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
    })
    return { status, headers }
  } catch (cause) {
    signal?.throwIfAborted()
    return { reason: `${new URL(url).host} cannot be reached (${networkReason(cause as Error)})` }
  } finally {
    await dispatcher.destroy()
  }
}

/** @returns undefined for a status that promises the file */
export const refusalOf = (url: string, status: number): Unreachable | undefined =>
  status < 400 ? undefined : { reason: `${new URL(url).host} answers with HTTP ${status}` }

/** undici wraps the system's error. */
export function networkReason(error: Error): string {
  if (error.name === 'TimeoutError') return 'no answer'
  const { cause } = error as { cause?: NodeJS.ErrnoException }
  return cause?.code ?? cause?.message ?? error.message
}
