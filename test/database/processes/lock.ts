/** Takes the lock of a folder, tells whether it has it, and keeps it until killed. */
import { lockFolder } from '../../../src/database/embedded-lock.ts'

try {
  await lockFolder(process.argv[2]!)
  console.log('held')
  setInterval(() => {}, 1000)
} catch (error) {
  console.log((error as { code: string }).code)
}
