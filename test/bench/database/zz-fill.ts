import { fill } from './fill.ts'
await fill(process.argv[2]!, Number(process.argv[3]), (w) => console.log(new Date().toISOString(), w))
