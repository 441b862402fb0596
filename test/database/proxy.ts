import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export interface Proxy {
  /** Leads to the same database, through the proxy. */
  url: string
  start: () => Promise<void>
  /** Ends every connection and takes no new one, as a server that restarts. */
  stop: () => Promise<void>
  /** The next statement with this text reaches the server, but its answer is lost with the connection. */
  loseAnswerTo: (text: string) => void
  /** All that was sent to the server, statements and parameters alike. */
  sent: () => string
}

/** A way to the test server that can be interrupted without stopping the server. */
export async function startProxy(databaseUrl: string): Promise<Proxy> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  const sent: Buffer[] = []
  let lost: string | undefined
  const server = createServer((client) => {
    const upstream = connect(Number(target.port || 5432), target.hostname)
    let answers = true
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket
        .on('error', () => {})
        .on('close', () => {
          sockets.delete(socket)
          client.destroy()
          upstream.end()
        })
    }
    client.on('data', (data) => {
      sent.push(data)
      if (lost !== undefined && data.includes(lost)) {
        lost = undefined
        answers = false
      }
      upstream.write(data)
    })
    upstream.on('data', (data) => {
      if (answers) client.write(data)
      // 'Z', ReadyForQuery: the statement has been carried out.
      else if (data.includes(Buffer.from([0x5a, 0, 0, 0, 5, 0x49]))) client.resetAndDestroy()
    })
  })
  let port = 0
  const start = async () => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as { port: number }).port
  }
  const stop = async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  await start()
  onTestFinished(stop as () => Promise<void>)
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String(port)
  return {
    url: url.href,
    start,
    stop,
    loseAnswerTo: (text) => (lost = text),
    sent: () => Buffer.concat(sent).toString(),
  }
}
