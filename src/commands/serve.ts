import { RmbgError } from '../errors.ts'
import { byteSize } from '../settings/values.ts'
import { BatchCommand } from '../terminal/batch-command.ts'
import { openBatchServices, resolveRecipe } from '../terminal/batch-services.ts'
import type { Frame } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { listeners } from '../terminal/printers/choose.ts'
import { linesPrinter } from '../terminal/printers/lines.ts'
import type { Printer } from '../terminal/printers/printer.ts'
import { asProcessFlags } from '../terminal/process-flags.ts'
import { type ServeFlags, serveFlags, toServiceOptions } from '../terminal/serve-flags.ts'

export default class Serve extends BatchCommand {
  static override summary = 'Remove the background of pictures that are sent over HTTP.'
  static override description =
    `POST a picture to /v1/cutouts and get its cut-out. Every picture is stored and logged as by rmbg process; the same picture sent again comes from the store. Options of a picture stand in the query: format, size, background, trim, padding, preset and so on, and result=mask.

The server listens on this machine only. With RMBG_SERVER_TOKEN it may listen elsewhere (--listen 0.0.0.0:7000), and callers send the token. It speaks no TLS: put a proxy before it for that.

/healthz says that it runs, /readyz that it can take pictures, /metrics has figures for Prometheus. Ctrl-C and SIGTERM finish the pictures in work and end with status 0.

Exit status: ${exitStatus.done} ended by Ctrl-C or SIGTERM, ${exitStatus.unexpected} unexpected error, ${exitStatus.usage} wrong usage, ${exitStatus.database} database, ${exitStatus.store} object store, ${exitStatus.model} model.`
  static override examples = [
    '<%= config.bin %> serve',
    'curl --data-binary @photo.jpg "http://127.0.0.1:7000/v1/cutouts?background=white&format=jpeg" > cutout.jpg',
    'RMBG_SERVER_TOKEN=... <%= config.bin %> serve --listen 0.0.0.0:7000 --json',
  ]
  static override flags = serveFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(Serve)
    const print = this.listen(await listeners(flags, flags.json ? undefined : linesPrinter(flags)))
    await this.withContext((frame) => this.#serve(frame, flags, print), {
      flags,
      onStop: 'pictures in work are finished first',
      tell: (message) => print({ type: 'notice', code: 'stopping', message }),
      tellOfWaiting: (news) => print({ type: 'notice', ...news }),
    })
  }

  async #serve(frame: Frame, serveFlags: ServeFlags, print: Printer): Promise<void> {
    const { settings, stop } = frame
    const { addressOf, assertGuarded } = await import('../server/guard.ts')
    const address = addressOf(serveFlags.listen)
    assertGuarded(address, settings.serverToken)
    const maxBody = byteSize.safeParse(serveFlags['max-body'])
    if (!maxBody.success) throw new RmbgError('USAGE', '--max-body expects a size such as 50MB.')
    const flags = asProcessFlags(serveFlags)
    const recipe = await resolveRecipe(settings, flags)
    const services = await openBatchServices(frame, flags, print)
    const { serve } = await import('../server/serve.ts')
    await serve(services, {
      address,
      service: { ...toServiceOptions({ flags, settings, ...recipe }), signal: stop.signal, onEvent: print },
      usual: settings,
      token: settings.serverToken,
      maxBody: maxBody.data,
      maxWaiting: serveFlags['max-waiting'],
    })
  }
}
