/** SNS sends nothing to an address before somebody there has asked a page that it names. */
import { RmbgError } from '../errors.ts'

/** Milliseconds. */
const patienceMs = 10_000

/**
 * Says yes. The address came from outside, so that only servers of SNS are asked, and no redirect is followed.
 *
 * @throws RmbgError REFUSED for an address that is not one of SNS, and where SNS says no; another error where SNS cannot be
 *   asked now
 */
export async function confirmSubscription(address: string, ask: typeof fetch = fetch): Promise<void> {
  if (!isOfSns(address))
    throw new RmbgError('REFUSED', 'The subscription is to be confirmed at no address of SNS.')
  const answer = await ask(address, { redirect: 'error', signal: AbortSignal.timeout(patienceMs) })
  await answer.body?.cancel()
  if (answer.ok) return
  if (answer.status >= 500) throw new Error(`SNS answered HTTP ${answer.status}`)
  throw new RmbgError('REFUSED', `SNS did not confirm the subscription (HTTP ${answer.status}).`)
}

function isOfSns(address: string): boolean {
  if (!URL.canParse(address)) return false
  const { protocol, hostname, port, username, password } = new URL(address)
  return (
    protocol === 'https:' &&
    /^sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/.test(hostname) &&
    [port, username, password].every((part) => part === '')
  )
}
