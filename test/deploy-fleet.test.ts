/** What is in deploy/ for many machines fits the program. Nothing is started. */
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { root, temporaryFolder } from './support/cli.ts'

const read = (path: string) => readFile(join(root, path), 'utf8')
const parsed = async (path: string) =>
  parseAllDocuments(await read(path)).map((document) => {
    expect(document.errors).toEqual([])
    return document.toJS()
  })

interface Container {
  name: string
  args: string[]
  ports?: { name: string; containerPort: number }[]
  resources?: { limits: object; requests: object }
  [probe: string]: unknown
}

const podOf = (workload: { spec: { template: { spec: object } } }) =>
  workload.spec.template.spec as {
    containers: Container[]
    initContainers: Container[]
    terminationGracePeriodSeconds: number
    restartPolicy?: string
  }

const kubernetes = ['deploy/kubernetes/workers.yaml', 'deploy/kubernetes/job.yaml']
const units = ['deploy/systemd/rmbg-work@.service', 'deploy/systemd/rmbg-watch.service']
const batch = 'deploy/aws-batch/job-definition.json'

/** Of every file, what it starts `rmbg` with. */
async function commandLines(): Promise<[file: string, line: string[]][]> {
  const lines: [string, string[]][] = []
  for (const file of kubernetes) {
    for (const object of await parsed(file)) {
      if (object.spec?.template === undefined) continue
      const { containers, initContainers } = podOf(object)
      for (const { args } of [...initContainers, ...containers]) lines.push([file, args])
    }
  }
  for (const file of units) {
    const [, line = ''] = /^ExecStart=\S+\/rmbg (.*)$/m.exec(await read(file)) ?? []
    lines.push([file, line.split(' ')])
  }
  lines.push([batch, JSON.parse(await read(batch)).containerProperties.command])
  return lines
}

describe('every command line in deploy/', async () => {
  const { commands } = JSON.parse(await read('oclif.manifest.json'))
  const lines = await commandLines()

  it('is there', () => expect(lines.length).toBe(7))

  it.each(lines)('%s starts a command, with flags that it has: %j', (_, line) => {
    const words = line.filter((word) => !word.startsWith('-'))
    const name = [`${words[0]}:${words[1]}`, `${words[0]}`].find((id) => id in commands)
    expect(name, line.join(' ')).toBeDefined()
    const { flags } = commands[name ?? '']
    const used = line.filter((word) => word.startsWith('--')).map((word) => word.slice(2))
    for (const flag of used) expect(Object.keys(flags)).toContain(flag)
    // A value follows each flag that takes one, and none follows the others.
    for (const [index, word] of line.entries()) {
      if (!word.startsWith('--')) continue
      const isFlag = (line[index + 1] ?? '--').startsWith('--')
      expect(isFlag, word).toBe(flags[word.slice(2)].type === 'boolean')
    }
  })
})

describe('the variables', () => {
  it('are those that rmbg and its libraries read', async () => {
    const settings = await read('docs/settings.md')
    const [config] = await parsed('deploy/kubernetes/workers.yaml')
    const { environment, secrets } = JSON.parse(await read(batch)).containerProperties
    const named = [...environment, ...secrets].map(({ name }: { name: string }) => name)
    const set = [...named, ...Object.keys(config.data)]
    expect(set.length).toBeGreaterThan(5)
    for (const variable of set) expect(settings).toContain(`\`${variable}\``)
  })
})

describe('the Kubernetes objects', () => {
  it('give workers the time that they say they need, and ask at the port that they listen at', async () => {
    const objects = await parsed('deploy/kubernetes/workers.yaml')
    const deployment = objects.find(({ kind }) => kind === 'Deployment')
    const pod = podOf(deployment)
    const [worker] = pod.containers
    const value = (flag: string) => worker!.args[worker!.args.indexOf(flag) + 1] ?? ''
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(Number.parseInt(value('--grace'), 10))
    const port = Number(value('--metrics').split(':')[1])
    expect(worker!.ports).toEqual([{ name: 'metrics', containerPort: port }])
    expect(deployment.spec.template.metadata.annotations['prometheus.io/port']).toBe(String(port))
    for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe'])
      expect(worker![probe]).toMatchObject({
        httpGet: { port: 'metrics', path: expect.stringMatching(/^\/(healthz|readyz)$/) },
      })
    expect(worker!.resources!.limits).toHaveProperty('memory')
    // What KEDA counts replicas of, and nobody else.
    const scaled = objects.find(({ kind }) => kind === 'ScaledObject')
    expect(scaled.spec.scaleTargetRef.name).toBe(deployment.metadata.name)
    expect(deployment.spec).not.toHaveProperty('replicas')
    expect(deployment.spec.selector.matchLabels).toEqual(deployment.spec.template.metadata.labels)
    const authentication = objects.find(({ kind }) => kind === 'TriggerAuthentication')
    expect(scaled.spec.triggers[0].authenticationRef.name).toBe(authentication.metadata.name)
  })

  it('have a job with as many completions as its parts', async () => {
    const [job] = await parsed('deploy/kubernetes/job.yaml')
    const pod = podOf(job)
    const { args } = pod.containers[0]!
    expect(args[args.indexOf('--part') + 1]).toBe(`auto/${job.spec.completions}`)
    expect(job.spec.completionMode).toBe('Indexed')
    // What Kubernetes wants of a job with a policy for failed pods.
    expect(pod.restartPolicy).toBe('Never')
    const [rule] = job.spec.podFailurePolicy.rules
    expect(rule.onExitCodes.containerName).toBe(pod.containers[0]!.name)
  })

  it('mount what they name', async () => {
    for (const object of (await Promise.all(kubernetes.map(parsed))).flat()) {
      if (object.spec?.template === undefined) continue
      const pod = object.spec.template.spec
      const there = pod.volumes.map(({ name }: { name: string }) => name)
      const sources = pod.containers[0].envFrom
      expect(sources).toEqual([
        { configMapRef: { name: 'rmbg-settings' } },
        { secretRef: { name: 'rmbg-secrets' } },
      ])
      for (const { volumeMounts, securityContext, image } of [...pod.initContainers, ...pod.containers]) {
        expect(volumeMounts.map(({ name }: { name: string }) => name)).toEqual(there)
        expect(securityContext.readOnlyRootFilesystem).toBe(true)
        expect(image).not.toMatch(/:latest$|^[^:]+$/)
      }
    }
  })
})

describe('the definition for AWS Batch', () => {
  it('passes parameters that it has, and ends where another try is of no use', async () => {
    const { parameters, containerProperties, retryStrategy } = JSON.parse(await read(batch))
    const referred = containerProperties.command.filter((word: string) => word.startsWith('Ref::'))
    expect(referred.map((word: string) => word.slice('Ref::'.length))).toEqual(Object.keys(parameters))
    const ends = retryStrategy.evaluateOnExit.filter(({ action }: { action: string }) => action === 'EXIT')
    expect(ends.map(({ onExitCode }: { onExitCode: string }) => onExitCode)).toEqual(['2', '3'])
    expect(retryStrategy.attempts).toBeLessThanOrEqual(10)
  })
})

const analyze = '/usr/bin/systemd-analyze'

describe.skipIf(!existsSync(analyze))('the units of systemd', () => {
  it('are valid, and leave a worker little that it could do', async () => {
    const folder = await temporaryFolder()
    for (const unit of units) {
      const path = join(folder, unit.slice('deploy/systemd/'.length))
      await writeFile(path, (await read(unit)).replaceAll('/usr/local/bin/rmbg', '/bin/true'))
      const verified = await execa(analyze, ['verify', path], { reject: false, all: true })
      expect([verified.exitCode, verified.all], unit).toEqual([0, ''])
      // Of 10; 100 is the worst.
      const security = ['security', '--offline=yes', '--threshold=30', path]
      expect((await execa(analyze, security, { reject: false })).exitCode, unit).toBe(0)
    }
  })

  it('are all checked', async () => {
    expect(
      (await readdir(join(root, 'deploy/systemd'))).map((name) => `deploy/systemd/${name}`).sort(),
    ).toEqual([...units].sort())
  })
})
