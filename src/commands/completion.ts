import * as Args from '@oclif/core/args'
import { BaseCommand } from '../terminal/command.ts'
import { bashCompletion } from '../terminal/completion/bash.ts'
import { fishCompletion } from '../terminal/completion/fish.ts'
import { completedCommands } from '../terminal/completion/words.ts'
import { zshCompletion } from '../terminal/completion/zsh.ts'

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }
type Shell = keyof typeof shells

export default class Completion extends BaseCommand {
  static override summary = 'Print a script that completes commands, flags and values in your shell.'
  static override description =
    'Nothing is installed: put what is printed where your shell looks for it, and again after an update. The first line of the script names the usual place.'
  static override baseFlags = {}
  static override examples = [
    '<%= config.bin %> completion bash > ~/.local/share/bash-completion/completions/rmbg',
    '<%= config.bin %> completion zsh > ~/.zfunc/_rmbg',
    '<%= config.bin %> completion fish > ~/.config/fish/completions/rmbg.fish',
  ]
  static override args = {
    shell: Args.string({ required: true, options: Object.keys(shells), description: 'your shell' }),
  }

  async run(): Promise<void> {
    const { args } = await this.parse(Completion)
    this.log(shells[args.shell as Shell](completedCommands(this.config.commands)).trimEnd())
  }
}
