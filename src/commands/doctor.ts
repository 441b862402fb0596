import type { Finding, FindingLevel } from '../doctor/finding.ts'
import { RmbgError } from '../errors.ts'
import { BaseCommand } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { doctorText } from '../terminal/texts/doctor-text.ts'

export interface DoctorReport {
  /** The worst of the findings. */
  level: FindingLevel
  findings: Finding[]
}

const statusOf: Record<FindingLevel, number> = {
  ok: exitStatus.done,
  warn: exitStatus.healthWarn,
  crit: exitStatus.healthCrit,
}

export default class Doctor extends BaseCommand {
  static override summary = 'Check that everything a run needs is there and works.'
  static override description =
    `Looks at the program, the model and the device it runs on, memory, disk, database, object store and cache, and says what to do where something is wrong. The model is loaded and tried on three rendered pictures, so a large one takes a while. Nothing is changed. What is inside the database is the matter of "rmbg health".

Exit status, that of the worst finding: ${exitStatus.done} OK, ${exitStatus.healthWarn} something could be better, ${exitStatus.healthCrit} a run would fail.`
  static override examples = ['<%= config.bin %> doctor', '<%= config.bin %> doctor --json']
  static override baseFlags = {}
  static override enableJsonFlag = true

  async run(): Promise<DoctorReport> {
    await this.parse(Doctor)
    const findings = await this.#examine().catch((error) => {
      if (!(error instanceof RmbgError)) throw error
      const { message: summary, hint } = error
      return [
        { name: 'settings', level: 'crit', summary, ...(hint !== undefined && { remedy: hint }) } as Finding,
      ]
    })
    this.log(doctorText(findings, process.stdout.columns ?? Number.POSITIVE_INFINITY))
    const level =
      (['crit', 'warn'] as const).find((each) => findings.some((found) => found.level === each)) ?? 'ok'
    process.exitCode = statusOf[level]
    return { level, findings }
  }

  #examine(): Promise<Finding[]> {
    const atOnce = { patience: '0' } // whoever asks wants to know that a server is away
    return this.withContext(
      async ({ context, settings }) => {
        const { examine } = await import('../doctor/examine.ts')
        return examine(context, settings)
      },
      { flags: atOnce },
    )
  }
}
