import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import { modelName } from '../../model/contract.ts'
import { type Preference, preferences } from '../../model/tuning/choose.ts'
import type { KeptTuning } from '../../model/tuning/kept.ts'
import { modelsFolder } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { tuningText } from '../../terminal/texts/tuning-text.ts'
import { wrapFor } from '../../terminal/wrap.ts'

export default class ModelTune extends BaseCommand {
  static override summary = 'Measure how a model runs best on this machine, and keep the result.'
  static override description =
    'Each way to run it takes a process of its own, one after the other; a large model takes minutes. Let the machine be idle. From then on all commands run the model in the chosen way, on this processor, with as many cores and this release of ONNX Runtime. Only the CPU is measured. --threads and RMBG_THREADS still decide the number of threads.'
  static override baseFlags = {}
  static override examples = [
    '<%= config.bin %> model tune',
    '<%= config.bin %> model tune isnet --prefer memory',
    '<%= config.bin %> model tune isnet --forget',
  ]
  static override enableJsonFlag = true
  static override args = {
    model: Args.string({
      description: 'a model, or the path of an .onnx file (default: the model that process would use)',
    }),
  }
  static override flags = {
    prefer: Flags.option({ options: preferences })({
      default: 'balanced' as Preference,
      description: 'what to choose by: low memory at nearly no cost in time, time by the clock, or memory',
    }),
    forget: Flags.boolean({
      description: 'remove what was measured: the model runs as usual again',
      exclusive: ['prefer'],
    }),
  }

  async run(): Promise<KeptTuning | { model: string; forgotten: boolean }> {
    const { args, flags } = await this.parse(ModelTune)
    return this.withContext(
      async ({ settings, context, stop }) => {
        const spec = await context.modelSpec()
        const model = modelName(spec)
        const folder = modelsFolder(settings.home)
        if (flags.forget) {
          const { forgetTuning } = await import('../../model/tuning/kept.ts')
          const forgotten = await forgetTuning(folder, spec.sha256)
          this.log(forgotten ? `${model} runs as usual again.` : `${model} was not tuned.`)
          return { model, forgotten }
        }
        const { tuneModel, disturbance } = await import('../../model/tuning/tune.ts')
        const warning = disturbance()
        if (warning) this.logToStderr(warning)
        const kept = await tuneModel(spec, {
          ...{ modelsFolder: folder, prefer: flags.prefer, signal: stop.signal },
          tell: ({ message }) => this.logToStderr(message),
          onMeasure: (name, index, count) =>
            this.logToStderr(`Measuring ${model}, ${index + 1} of ${count}: ${name}.`),
        })
        this.log(wrapFor(process.stdout, tuningText(kept)))
        return kept
      },
      {
        flags: args.model === undefined ? {} : { model: args.model },
        onStop: 'nothing is kept',
      },
    )
  }
}
