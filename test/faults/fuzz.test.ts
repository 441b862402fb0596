/**
 * Damaged pictures of every format, thousands of them, through the built program: it never crashes, never hangs, stays
 * within its memory, and says of each picture in one sentence what became of it. See FUZZ.md for long mode.
 */

import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it, onTestFinished } from 'vitest'
import { decode } from '../../src/cutout/codec/decode.ts'
import { readHeader } from '../../src/cutout/codec/header.ts'
import { metadataToKeep } from '../../src/cutout/codec/metadata.ts'
import { errorFamilies } from '../../src/errors.ts'
import { pictureFile } from '../../src/process/source.ts'
import { jsonLines, rmbg, temporaryFolder } from '../support/cli.ts'
import { workspaceIn } from '../support/fixture-workspace.ts'
import { picture } from '../support/images.ts'
import { isLong as long } from '../support/long-mode.ts'
import { mutants } from './mutate.ts'
import { peakMemory } from './peak-memory.ts'

const seed = Number(process.env.RMBG_FUZZ_SEED ?? 1)
const batchSize = long ? 500 : 100
const batches = long ? Number(process.env.RMBG_FUZZ_COUNT ?? 10_000) / batchSize : 2

/** What the settings lead through: encoders, metadata, colour profiles, depths, layouts. */
const ways: string[][] = [
  [],
  ['--format', 'tiff', '--icc', 'keep', '--keep-metadata', '--trim'],
  ['--format', 'webp', '--keep-metadata', '--keep-hidden-color', '--allow-svg'],
  ['--format', 'jpeg', '--size', '200x200', '--padding', '5%', '--no-refine', '--preset', 'amazon'],
  ['--allow-svg', '--icc', 'keep', '--keep-metadata', '--output', 'cutouts'],
  ['--format', 'avif', '--max-bytes', '20KB', '--keep-metadata', '--icc', 'keep'],
]

const sentence = /^[A-Z][^\p{Cc}\p{Cf}]{1,300}\.$/u
const megabyte = 2 ** 20
const budget = 512 * megabyte
/**
 * Node, the database, the model, and what JavaScript and the allocators have not given back yet. Measured: 510 MB for
 * one small picture, 730 MB for 500 of them.
 */
const itself = 700 * megabyte
/** A watchdog: a batch takes a small part of it. */
const longestMs = 9 * 60_000

describe(`damaged pictures, seed ${seed}`, () => {
  it.for(Array.from({ length: batches }, (_, batch) => batch))(
    'fail or are cut out, each with a sentence, within the memory budget (batch %i)',
    { timeout: longestMs + 60_000 },
    async (batch) => {
      // Kept, with the files in it, when something is wrong.
      const folder = join(tmpdir(), `rmbg-fuzz-${seed}-${batch}`)
      await rm(folder, { recursive: true, force: true })
      onTestFinished(async ({ task }) => {
        if (task.result?.state !== 'fail') await rm(folder, { recursive: true, force: true })
      })
      const pictures = join(folder, 'pictures')
      await mkdir(pictures, { recursive: true })
      const names: string[] = []
      for await (const { name, bytes } of mutants(seed * 1000 + batch, batchSize)) {
        await writeFile(join(pictures, name), bytes)
        names.push(name)
      }
      const { home, rows } = await workspaceIn(folder)
      const peak = peakMemory(folder)
      const way = ways[batch % ways.length]!
      const started = performance.now()
      const { status, stdout, stderr } = await rmbg(
        ['process', 'pictures', '--json', '--model', 'backdrop', '--max-memory', String(budget), ...way],
        {
          cwd: folder,
          env: { RMBG_HOME: home, ...peak.env },
          timeout: longestMs,
          killSignal: 'SIGKILL',
        },
      )
      await writeFile(join(folder, 'told.json'), JSON.stringify({ status, stdout, stderr }))
      const events = jsonLines(stdout)
      const images = events.filter(({ type }) => type === 'image')
      const told = new Set(images.map(({ input }) => input))
      const where = `in ${pictures}, ${way.join(' ')}`
      expect(
        names.filter((name) => !told.has(`pictures/${name}`)),
        `untold ${where}: ${stderr.slice(-2000)}`,
      ).toEqual([])
      expect(images.length, `each once ${where}`).toBe(names.length)
      expect([0, 3], stderr).toContain(status)
      for (const { input, status, code, message } of images) {
        if (status !== 'failed') continue
        expect(errorFamilies[code as keyof typeof errorFamilies], `${input}: ${message}`).toBe('image')
        expect(code, `${input}: ${message}`).not.toMatch(/UNEXPECTED|MODEL_CRASHED/)
        expect(message, input).toMatch(sentence)
        expect(message, input).not.toMatch(
          / {4}at |\/node_modules\/|Cannot read|is not a function|\[object|Expected |\(\)|corrupt header/,
        )
        expect(message, input).not.toContain(folder)
      }
      expect(stderr, where).not.toMatch(/Warning|Error:| at .*:\d+:\d+/)
      await rows() // the invariants hold
      const peakBytes = await peak.bytes()
      expect(peakBytes, `peak memory ${where}`).toBeLessThan(budget + itself)
      if (long) tell(batch, images, peakBytes, performance.now() - started)
    },
  )
})

describe('a drawing', () => {
  it('reads no file and asks no server', async () => {
    const folder = await temporaryFolder()
    let asked = 0
    const server = createServer((_, response) => {
      asked++
      response.end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    await sharp({ create: { width: 40, height: 40, channels: 3, background: 'red' } }).toFile(
      join(folder, 'red.png'),
    )
    await writeFile(join(folder, 'secret.txt'), '<rect width="40" height="40" fill="red"/>')
    const addresses = [
      `file://${folder}/red.png`,
      `${folder}/red.png`,
      'red.png',
      `http://127.0.0.1:${port}/red.png`,
    ]
    const images = addresses.map((address) => `<image href="${address}" width="40" height="40"/>`)
    const drawing = `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY file SYSTEM "file://${folder}/secret.txt">]>
      <svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><style>@import url("http://127.0.0.1:${port}/x.css");</style>
      <rect width="40" height="40" fill="blue"/>${images.join('')}</svg>`
    const path = join(folder, 'drawing.svg')
    await writeFile(path, drawing)
    await readHeader(pictureFile(path), { maxPixels: 1e6, allowSvg: true }).catch(() => {})
    const { data } = await decode(Buffer.from(drawing))
    expect([...data.slice(0, 3)]).toEqual([0, 0, 255])
    expect(asked).toBe(0)
    // External entities are not even read: one that is used is an error.
    await expect(decode(Buffer.from(drawing.replace('</svg>', '&file;</svg>')))).rejects.toThrow(
      'not defined',
    )
  })
})

describe('what mutants have found once', () => {
  it('an EXIF list without entries is left out', async () => {
    const exif = Buffer.from('II*\0\x08\0\0\0\x01\0\x0e\xa3\x03\0\0\0\0\0\0\0\0\0\0\0\0\0', 'latin1')
    const block = Buffer.concat([Buffer.from('Exif\0\0'), exif])
    const kept = await metadataToKeep({ exif: block }, { keepAll: true })
    expect(kept.exif).toEqual({ IFD0: {}, IFD2: {} })
  })

  it('what a drawing says of itself does not get into the sentence as a control character', async () => {
    const drawing = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://\u009b.example"><x:\u009b2J a=b></svg>`
    const limits = { maxPixels: 1e6, allowSvg: true }
    const error = await readHeader(Buffer.from(drawing), limits).catch((cause) => cause)
    expect(error).toMatchObject({ code: 'INPUT_CORRUPT' })
    expect(error.message).toMatch(sentence)
  })

  it('the sentence of a damaged header names no path and ends well', async () => {
    const path = join(await temporaryFolder(), 'line\nend.png')
    const bytes = await picture(1).png().toBuffer()
    await writeFile(path, bytes.fill(0, 20, 40))
    await expect(readHeader(pictureFile(path), { maxPixels: 1e6, allowSvg: false })).rejects.toThrow(
      /^The picture's header is damaged( \([^/]+\))?\.$/,
    )
  })
})

function tell(batch: number, images: Record<string, unknown>[], peakBytes: number, elapsedMs: number): void {
  const counts: Record<string, number> = {}
  for (const { status, code } of images) {
    const outcome = String(code ?? status)
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  const figures = { seed, batch, peakMb: Math.round(peakBytes / megabyte), elapsedMs: Math.round(elapsedMs) }
  process.stdout.write(`${JSON.stringify({ ...figures, ...counts })}\n`)
}
