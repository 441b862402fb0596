/** Runs a composite GitHub Action here: its shell steps for real, actions of others as far as their outputs. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { parse } from 'yaml'

interface Step {
  id?: string
  if?: string
  run?: string
  uses?: string
  with?: Record<string, string>
  env?: Record<string, string>
}
interface Action {
  inputs: Record<string, { required?: boolean; default?: string }>
  outputs: Record<string, { value: string }>
  runs: { steps: Step[] }
}
type Values = Record<string, string>

export interface ActionRun {
  /** Of the step that failed, or 0. */
  status: number
  log: string
  /** What the steps wrote for the job's summary. */
  summary: string
  outputs: Values
  /** Steps with `uses`, in order, with what they were given. */
  used: { uses: string; with: Values }[]
}

export interface RunnerOptions {
  /** The folder with action.yml. */
  action: string
  inputs: Values
  /** The job's workspace. */
  workspace: string
  /** A folder for the runner's own files. */
  temp: string
  env: Values
  /** What the actions of others put out, by the id of their step. */
  outputsOf: Record<string, Values>
}

/** As the runner does it: one step after the other, until one fails. */
export async function runAction(options: RunnerOptions): Promise<ActionRun> {
  const action: Action = parse(await readFile(join(options.action, 'action.yml'), 'utf8'))
  const defaults = Object.entries(action.inputs).map(([name, input]) => [name, input.default ?? ''])
  const inputs = { ...Object.fromEntries(defaults), ...options.inputs }
  const steps: Record<string, Values> = {}
  const evaluate = (expression: string) =>
    expressionOf(expression)(inputs, steps, { action_path: options.action })
  const filled = (text: string) =>
    text.replace(/\$\{\{(.*?)\}\}/g, (_, expression) => String(evaluate(expression) ?? ''))
  const allFilled = (values: Values = {}) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, filled(String(value))]))

  await mkdir(options.temp, { recursive: true })
  const summary = join(options.temp, 'summary.md')
  const result: ActionRun = { status: 0, log: '', summary: '', outputs: {}, used: [] }
  for (const [index, step] of action.runs.steps.entries()) {
    if (step.if !== undefined && !evaluate(step.if)) continue
    const id = step.id ?? `step-${index}`
    if (step.uses !== undefined) {
      result.used.push({ uses: step.uses, with: allFilled(step.with) })
      steps[id] = options.outputsOf[id] ?? {}
      continue
    }
    const outputs = join(options.temp, `${id}.outputs`)
    await writeFile(outputs, '')
    const { exitCode, all } = await execa('bash', ['-e', '-o', 'pipefail', '-c', step.run ?? ''], {
      cwd: options.workspace,
      extendEnv: false,
      reject: false,
      all: true,
      env: {
        ...options.env,
        ...allFilled(step.env),
        GITHUB_ACTION_PATH: options.action,
        GITHUB_OUTPUT: outputs,
        GITHUB_STEP_SUMMARY: summary,
        RUNNER_TEMP: options.temp,
      },
    })
    result.log += `${all}\n`
    const lines = (await readFile(outputs, 'utf8')).split('\n').filter((line) => line !== '')
    steps[id] = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)))
    result.status = exitCode ?? 1
    if (result.status !== 0) break
  }
  result.summary = await readFile(summary, 'utf8').catch(() => '')
  result.outputs = allFilled(
    Object.fromEntries(Object.entries(action.outputs).map(([name, { value }]) => [name, value])),
  )
  return result
}

/** The expressions that we use mean the same in JavaScript, once the names of inputs and outputs are in brackets. */
const expressionOf = (expression: string) =>
  new Function(
    'inputs',
    'steps',
    'github',
    `return ${expression
      .replace(/\binputs\.([\w-]+)/g, 'inputs["$1"]')
      .replace(/\bsteps\.([\w-]+)\.outputs\.([\w-]+)/g, '(steps["$1"]?.["$2"] ?? "")')}`,
  )
