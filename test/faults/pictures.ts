import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { picture } from '../support/images.ts'

let made = 0

/** Small pictures that no other test of this file has. */
export async function writePictures(folder: string, count: number): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (let index = 0; index < count; index++) {
    await picture(made++)
      .jpeg()
      .toFile(join(folder, `${String(index).padStart(3, '0')}.jpg`))
  }
}
