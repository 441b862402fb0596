/** Where the subject goes on its canvas. */
import { describe, expect, it } from 'vitest'
import { isIdentity, type LayoutOptions, planLayout } from '../../src/cutout/layout.ts'

const picture = { width: 400, height: 300 }
const subject = { left: 100, top: 50, width: 100, height: 200 }
const plan = (options: Partial<LayoutOptions>) =>
  planLayout(picture, subject, { trim: false, padding: { pixels: 0 }, fit: 'contain', ...options })

describe('without a size', () => {
  it('nothing asked for moves no pixel', () => {
    expect(isIdentity(plan({}))).toBe(true)
  })

  it('trimming leaves the subject alone, and an empty mask leaves everything', () => {
    const { region, drawn, canvas } = plan({ trim: true })
    expect(region).toEqual(subject)
    expect(drawn).toEqual({ left: 0, top: 0, width: 100, height: 200 })
    expect(canvas).toEqual({ width: 100, height: 200 })
    const empty = planLayout(picture, undefined, { trim: true, padding: { pixels: 0 }, fit: 'contain' })
    expect(isIdentity(empty)).toBe(true)
  })

  it('padding is added on every side, as pixels or as a share of the canvas', () => {
    expect(plan({ trim: true, padding: { pixels: 10 } })).toMatchObject({
      drawn: { left: 10, top: 10, width: 100, height: 200 },
      canvas: { width: 120, height: 220 },
    })
    expect(plan({ trim: true, padding: { share: 0.1 } })).toMatchObject({
      drawn: { left: 13, top: 25 },
      canvas: { width: 126, height: 250 },
    })
  })
})

describe('with a size', () => {
  const size = { width: 200, height: 200 }

  it('contain shows all of it, enlarged if need be, centred on exactly that canvas', () => {
    expect(plan({ size })).toEqual({
      region: { left: 0, top: 0, ...picture },
      drawn: { left: 0, top: 25, width: 200, height: 150 },
      canvas: size,
    })
    expect(plan({ size, trim: true, padding: { share: 0.1 } })).toMatchObject({
      drawn: { left: 60, top: 20, width: 80, height: 160 },
      canvas: size,
    })
    expect(plan({ size: { width: 800, height: 800 }, trim: true }).drawn).toMatchObject({
      width: 400,
      height: 800,
    })
  })

  it('inside never enlarges, and the canvas is no larger than needed', () => {
    expect(plan({ size: { width: 800, height: 800 }, fit: 'inside', padding: { pixels: 5 } })).toMatchObject({
      drawn: { left: 5, top: 5, width: 400, height: 300 },
      canvas: { width: 410, height: 310 },
    })
    expect(plan({ size, fit: 'inside' }).canvas).toEqual({ width: 200, height: 150 })
  })

  it('cover cuts off evenly what does not fit', () => {
    expect(plan({ size, fit: 'cover' })).toEqual({
      region: { left: 50, top: 0, width: 300, height: 300 },
      drawn: { left: 0, top: 0, ...size },
      canvas: size,
    })
  })

  it('fill stretches', () => {
    expect(plan({ size, fit: 'fill' })).toMatchObject({
      region: { width: 400, height: 300 },
      drawn: { width: 200, height: 200 },
    })
  })

  it('an open side follows from the picture, padding included', () => {
    expect(plan({ size: { width: 200 } }).canvas).toEqual({ width: 200, height: 150 })
    expect(plan({ size: { height: 150 } }).canvas).toEqual({ width: 200, height: 150 })
    expect(plan({ size: { width: 220 }, padding: { pixels: 10 } }).canvas).toEqual({
      width: 220,
      height: 170,
    })
  })

  it('extreme proportions keep at least a pixel', () => {
    const line = { width: 1, height: 5000 }
    for (const fit of ['contain', 'inside', 'cover', 'fill'] as const) {
      const { region, drawn, canvas } = planLayout(
        line,
        { left: 0, top: 0, ...line },
        {
          trim: true,
          padding: { share: 0.2 },
          size: { width: 50, height: 50 },
          fit,
        },
      )
      for (const box of [region, drawn, canvas])
        expect(Math.min(box.width, box.height)).toBeGreaterThanOrEqual(1)
    }
  })
})
