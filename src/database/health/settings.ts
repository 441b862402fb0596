import { sizeText } from '../../bytes.ts'
import { type HealthContext, type Look, type Machine, worst } from './contract.ts'
import { suggestSettings } from './suggest.ts'

export const settingsLook: Look = {
  name: 'settings',
  serverOnly: true,
  look: async (context) => {
    const wrong = (await suggestSettings(context)).filter(({ level }) => level !== 'ok')
    return {
      level: worst(wrong.map(({ level }) => level)),
      summary:
        wrong.length === 0
          ? 'The settings fit.'
          : `Other values are recommended for ${wrong.map(({ setting }) => setting).join(', ')}.`,
      details: [
        ...wrong.map(
          ({ setting, current, value, reason }) =>
            `${setting} is ${current}; recommended${value === null ? '' : ` ${value}`}: ${reason}`,
        ),
        ...(wrong.length === 0 ? [] : ['rmbg health --suggest prints them for postgresql.conf.']),
        ...unseenMachine(context.machine),
      ],
      metrics: [],
    }
  },
}

const unseenMachine = ({ memoryBytes, cores }: Machine): string[] =>
  memoryBytes === undefined || cores === undefined
    ? [
        `The server's ${memoryBytes === undefined ? 'memory' : 'cores'} cannot be seen from here; --server-memory and --server-cpus tell them.`,
      ]
    : []

/** What is known of the machine, for people. */
export const machineText = ({ machine: { memoryBytes, cores }, isHere }: HealthContext): string => {
  const memory = memoryBytes === undefined ? 'unknown memory' : `${sizeText(memoryBytes)} of memory`
  const processors = cores === undefined ? 'an unknown number of cores' : `${cores} cores`
  return `${memory}, ${processors}${isHere ? '' : ' (the server is not on this machine)'}`
}
