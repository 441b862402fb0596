/** Begins a transaction in an embedded database, and stays in it until killed. */
import { openEmbedded } from '../../../src/database/embedded.ts'
import { reserveConnection } from '../../../src/database/session.ts'

const { sql } = await openEmbedded(process.argv[2]!)
const session = await reserveConnection(sql)
await session`begin`
await session`insert into tags (name) values (${'of the killed'})`
console.log('in a transaction')
setInterval(() => {}, 1000)
