import type { Printer } from './printer.ts'

/** Prints the first event of each type, and the first notice of each code. */
export function onceEach(print: Printer): Printer {
  const told = new Set<string>()
  return (event) => {
    const what = event.type === 'notice' ? event.code : event.type
    if (told.has(what)) return
    told.add(what)
    print(event)
  }
}
