import type { NoticeEvent } from '../process/events.ts'
import { BaseCommand } from './command.ts'
import { asksForJson, errorEventText } from './end.ts'
import type { Listeners } from './printers/choose.ts'
import type { Printer } from './printers/printer.ts'

/** What `process` and `watch` share: listeners, who are told of an error as of every other event. */
export abstract class BatchCommand extends BaseCommand {
  #listeners: Listeners | undefined

  protected listen(listeners: Listeners): Printer {
    this.#listeners = listeners
    return listeners.tell
  }

  /** For what a conversation has said before the run says it. */
  protected alreadyTold(code: NoticeEvent['code']): void {
    this.#listeners?.isKnown(code)
  }

  protected override onFailure(error: unknown): void {
    if (this.#listeners) this.#listeners.fail(error)
    else if (asksForJson(this.argv)) process.stdout.write(`${errorEventText(error)}\n`)
  }
}
