import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { assertApart, destinationOf, formatFor, liesIn, outputFolder } from '../../src/process/destination.ts'
import { temporaryFolder } from '../support/cli.ts'

const to = (output?: string, suffix?: string, cwd = '/work') => destinationOf({ output, suffix }, cwd)

describe('--output', () => {
  it.each([
    ['cutout.png', 'png'],
    ['a/b.v2.PNG', 'png'],
    ['cutout.jpeg', 'jpeg'],
    ['cutout.jpg', 'jpeg'],
    ['cutout.tif', 'tiff'],
    ['cutout.webp', 'webp'],
    ['cutout.avif', 'avif'],
  ])('that ends like a picture is a file: %s', (output, format) => {
    expect(to(output)).toEqual({ to: 'file', path: `/work/${output}`, format })
  })

  it.each(['cutouts', 'cutouts.v2', 'x.png/', 'png', '.png', 'shoot.2024'])('is a folder: %s', (output) => {
    expect(to(output)).toEqual({ to: 'folder', folder: `/work/${output}`.replace(/\/$/, ''), suffix: '' })
  })

  it('stays a folder where one of that name exists', async () => {
    const cwd = await temporaryFolder()
    await mkdir(join(cwd, 'x.png'))
    expect(to('x.png', undefined, cwd)).toEqual({ to: 'folder', folder: join(cwd, 'x.png'), suffix: '' })
  })

  it('is refused where a file has the name of the folder, before any image is processed', async () => {
    const cwd = await temporaryFolder()
    await writeFile(join(cwd, 'cutouts'), '')
    for (const output of ['cutouts', 'cutouts/']) {
      expect(() => to(output, undefined, cwd)).toThrow(
        `--output ${join(cwd, 'cutouts')} is there already, and is no folder.`,
      )
    }
    expect(() => outputFolder('--masks', join(cwd, 'cutouts'))).toThrow('--masks')
    expect(outputFolder('--masks', join(cwd, 'new'))).toBe(join(cwd, 'new'))
  })

  it('of a kind that is not written is refused', () => {
    expect(() => to('cutout.gif')).toThrow('A cut-out cannot be written as GIF: --output cutout.gif.')
    expect(to('x.gif/')).toMatchObject({ to: 'folder' })
  })

  it('that is a dash is standard output', () => {
    expect(to('-')).toEqual({ to: 'standard output' })
  })
})

describe('--suffix', () => {
  it('puts cut-outs beside the inputs, or changes their names in a folder', () => {
    expect(to()).toEqual({ to: 'store' })
    expect(to(undefined, '-cutout')).toEqual({ to: 'inputs', suffix: '-cutout' })
    expect(to('out', '-cutout')).toEqual({ to: 'folder', folder: '/work/out', suffix: '-cutout' })
  })

  it('is refused with one file, which has its name', () => {
    expect(() => to('a.png', '-x')).toThrow('--suffix has no meaning')
    expect(() => to('-', '-x')).toThrow('--suffix has no meaning')
  })
})

describe('the format of one file', () => {
  const formats = (flag?: string, preset?: string) => formatFor(to('a.webp'), { flag, preset })

  it('follows its name', () => {
    expect(formats()).toBe('webp')
    expect(formats('webp', 'jpeg')).toBe('webp')
    expect(formatFor(to('out'), { flag: 'png', preset: undefined })).toBeUndefined()
  })

  it('that --format or a preset wants otherwise is refused, with the name to type', () => {
    expect(() => formats('jpeg')).toThrow('/work/a.webp asks for WEBP, and --format for JPEG.')
    expect(() => formats(undefined, 'jpeg')).toThrow('and --preset for JPEG.')
  })
})

describe('--output into a bucket', () => {
  it.each([
    ['s3://shop', ''],
    ['s3://shop/cut', 'cut/'],
    ['s3://shop/cut/a b/', 'cut/a b/'],
  ])('is a prefix: %s', (output, prefix) => {
    expect(to(output, '-x')).toEqual({ to: 'bucket', bucket: 'shop', prefix, suffix: '-x' })
  })

  it.each(['s3://', 's3:///x', 's3://shop/../x', 's3://shop/a//b'])('is refused: %s', (output) => {
    expect(() => to(output)).toThrow('names no bucket and prefix')
  })

  it('lies apart from the inputs', () => {
    const cut = to('s3://shop/photos/cut/')
    for (const input of [
      's3://shop/photos/**/*.jpg',
      's3://shop/',
      's3://shop/photos/cut/a.jpg',
      's3://shop/ph*',
    ])
      expect(() => assertApart(cut, [input])).toThrow('cut-outs would be among the pictures')
    expect(() =>
      assertApart(cut, ['s3://other/photos/', 's3://shop/pictures/', 's3://shop/photos/cat/*.jpg']),
    ).not.toThrow()
    expect(() => assertApart(to('cut'), ['s3://shop/'])).not.toThrow()
    expect(liesIn(cut, 'shop', 'photos/cut/x.png')).toBe(true)
    expect(liesIn(cut, 'shop', 'photos/x.png')).toBe(false)
  })
})
