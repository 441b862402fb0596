/** `npm run bench`, or only some of it: `-- limit peer jobs startup memory`. See test/bench/README.md. */
import { readFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { table } from '../../../src/terminal/table.ts'
import { timeJobs, timeRerun } from './jobs.ts'
import { timeLimit } from './limit.ts'
import { measureLarge, measureMemory } from './memory.ts'
import { timePeer } from './peer.ts'
import { killPointOf, save } from './place.ts'
import { figure, told } from './spread.ts'
import { timeStartup } from './startup.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    models: { type: 'string', default: 'light,heavy' },
    megapixels: { type: 'string', default: '1,12,24' },
    flags: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    'no-keep': { type: 'boolean', default: false },
  },
})
const rounds = (usual: number) => Number(values.rounds ?? (values.quick ? 1 : usual))
const common = {
  models: values.models.split(','),
  megapixels: values.megapixels.split(',').map(Number),
  flags: values.flags.split(' ').filter((flag) => flag !== ''),
  tell: (line: string) => console.error(line),
}
const startedAt = new Date()
const loadBefore = loadavg()[0]!

for (const what of positionals.length > 0 ? positionals : ['limit', 'peer', 'jobs', 'startup', 'memory'])
  await show(what)

async function show(what: string): Promise<void> {
  switch (what) {
    case 'limit': {
      const rows = await timeLimit({ ...common, rounds: rounds(3) })
      console.log(
        table(
          [
            'MODEL',
            'MP',
            'IMAGES',
            'BARE MS',
            'MS/IMAGE',
            'OF BARE',
            'FLOOR MS',
            'OF FLOOR',
            'CPU MS',
            'WITH START',
            'PEAK MB',
          ],
          rows.map((row) => [
            ...[row.model, row.megapixels, row.images],
            ...[told(row.bareMs), told(row.steadyMs), told(row.ofBare), told(row.floorMs), told(row.ofFloor)],
            ...[figure(row.cpuMs.median), figure(row.wholeMs.median), figure(row.peakRssMb.median)],
          ]),
        ),
      )
      await keep('limit', rows)
      break
    }
    case 'peer': {
      const rows = await timePeer({ ...common, rounds: rounds(3) })
      console.log(
        table(
          [
            'MODEL',
            'MP',
            'OURS MS',
            'PEER MS',
            'AT ONCE MS',
            'FASTER',
            'THAN AT ONCE',
            'DEFAULT MS',
            'OURS MB',
            'ON SERVER MB',
            'PEER MB',
            'ALPHA OFF',
          ],
          rows.map((row) => [
            ...[row.model, row.megapixels, told(row.ours.steadyMs), told(row.peer.steadyMs)],
            ...[told(row.peerAtOnce.steadyMs), told(row.faster), told(row.fasterThanAtOnce)],
            ...[figure(row.oursByDefault.steadyMs.median), figure(row.ours.peakRssMb.median)],
            row.oursOnServer && figure(row.oursOnServer.peakRssMb.median),
            ...[figure(row.peer.peakRssMb.median), figure(row.difference.alphaMean)],
          ]),
        ),
      )
      await keep('peer', rows)
      break
    }
    case 'startup': {
      const rows = await timeStartup(rounds(15), common.tell)
      console.log(
        table(
          ['WHAT', 'MS', 'CPU MS', 'PEAK MB', 'FILES LOADED'],
          rows.map(({ what: name, ms, cpuMs, peakRssMb, filesLoaded }) => [
            ...[name, told(ms), figure(cpuMs), figure(peakRssMb), filesLoaded],
          ]),
        ),
      )
      await keep('startup', rows)
      break
    }
    case 'jobs': {
      const options = {
        ...common,
        rounds: rounds(3),
        jobs: values.quick ? 200 : 1500,
        rerun: values.quick ? 500 : 10_000,
      }
      const jobs = await timeJobs(options)
      console.log(
        table(
          [
            'DATABASE',
            'STORE',
            'AT ONCE',
            'JOBS/S',
            'MILLION/DAY',
            'CPU MS',
            'INSERTS/S',
            '3 PUTS/S',
            'WITH START',
          ],
          jobs.map((row) => [
            ...[row.database, row.store, row.concurrency, told(row.jobsPerSecond)],
            ...[figure((row.jobsPerSecond.median * 86_400) / 1e6), figure(row.cpuMsPerJob.median)],
            ...[
              told(row.insertsPerSecond),
              told(row.threePutsPerSecond),
              figure(row.wholeJobsPerSecond.median),
            ],
          ]),
        ),
      )
      const reruns = await timeRerun(options)
      console.log(
        table(
          ['RE-RUN', 'FILES', 'SECONDS', 'PEAK MB', 'FILES OPENED'],
          reruns.map((row) => [
            ...[row.database, row.files, told(row.seconds), figure(row.peakRssMb.median), row.filesOpened],
          ]),
        ),
      )
      await keep('jobs', { jobs, reruns })
      break
    }
    case 'memory': {
      const runs = await measureMemory({ ...common, quick: values.quick })
      console.log(
        table(
          ['MP', 'IMAGES', 'BUDGET MB', 'BASE MB', 'PEAK MB', 'OVER BASE', 'GROWTH/1000', 'MS/IMAGE'],
          runs.map((row) => [
            ...[row.megapixels, row.images, `${row.maxMemory ?? 'default'}: ${Math.round(row.budgetMb)}`],
            ...[row.baseMb, row.peakMb, row.peakMb - row.baseMb, row.growthMb].map(Math.round),
            figure(row.msPerImage),
          ]),
        ),
      )
      for (const { megapixels, maxMemory, rss } of runs) {
        const steps = rss.map(({ rssMb }) => Math.round(rssMb)).join(' ')
        console.log(`RSS MB, ${megapixels} MP, ${maxMemory ?? 'default'} budget: ${steps}`)
      }
      const large = await measureLarge(common.tell)
      console.log(
        table(
          ['MP', 'BUDGET MB', 'OUTCOME', 'SECONDS', 'PEAK MB'],
          large.map((row) => [
            ...[row.megapixels, `${row.maxMemory ?? 'default'}: ${Math.round(row.budgetMb)}`, row.outcome],
            ...[figure(row.seconds), Math.round(row.peakMb)],
          ]),
        ),
      )
      await keep('memory', { runs, large })
      break
    }
    default:
      throw new Error(`"${what}" is not limit, peer, jobs, startup or memory.`)
  }
}

/** What was measured, with where and on what, for whoever wants to compare; a part of a table is not kept. */
async function keep(name: string, result: unknown): Promise<void> {
  const ort = new URL('../../../node_modules/onnxruntime-node/package.json', import.meta.url)
  const where = {
    date: startedAt.toISOString().slice(0, 10),
    node: process.version,
    onnxruntime: JSON.parse(await readFile(ort, 'utf8')).version,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model,
    folder: await killPointOf(),
    // Other work on the machine shows here.
    loadBefore,
    ...(values.quick && { quick: true }),
  }
  console.log(
    `\n${Object.entries(where)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ')}`,
  )
  const partial =
    values.quick || values.models !== 'light,heavy' || values.megapixels !== '1,12,24' || values.flags !== ''
  if (values['no-keep'] || (partial && !values.keep)) return
  const file = fileURLToPath(new URL(`../results/speed-${name}.json`, import.meta.url))
  await save(file, `${JSON.stringify({ ...where, result }, null, 2)}\n`)
}
