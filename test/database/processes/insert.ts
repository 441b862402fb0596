/** Inserts rows into an embedded database until killed, telling each number once it is acknowledged. */
import { openEmbedded } from '../../../src/database/embedded.ts'

const { sql } = await openEmbedded(process.argv[2]!)
await sql`create table if not exists numbers (n integer primary key, filling text)`
const [last] = await sql`select coalesce(max(n), 0) as n from numbers`
console.log('open')
for (let n = last!.n + 1; ; n++) {
  await sql`insert into numbers values (${n}, ${'x'.repeat(500)})`
  console.log(n)
}
