/** What a person sees while `rmbg process` runs and when it has ended. */
import { describe, expect, it } from 'vitest'
import type { Screen } from '../support/screen.ts'
import {
  completedEvent,
  failedEvent,
  importantNotice,
  modelEvent,
  type Step,
  startEvent,
  summaryEvent,
  tellOnScreen,
  written,
} from '../support/told-screen.ts'

const narrow = { columns: 40, rows: 12 }
const usual = { columns: 80, rows: 24 }
const wide = { columns: 160, rows: 50 }

const oneImage: Step[] = [
  startEvent(1),
  modelEvent,
  completedEvent('photos/mug.jpg'),
  summaryEvent({ images: 1 }),
]

/** Five images: two fine, one to look at, two failed. */
const mixed: Step[] = [
  { type: 'phase', phase: 'new-database', message: 'Creating the embedded database, once' },
  {
    type: 'notice',
    code: 'kinds-left-out',
    files: 3,
    kinds: { psd: 2, cr2: 1 },
    message: '3 pictures of kinds that are not read from folders were left out: psd (2), cr2 (1).',
  },
  startEvent(5, '/home/anna/spring shop/cutouts'),
  importantNotice,
  modelEvent,
  completedEvent('photos/mug.jpg'),
  failedEvent('photos/empty.jpg'),
  written(
    completedEvent(
      'photos/a-rather-long-name-of-a-picture-as-cameras-and-agencies-make-them.jpg',
      'soft-mask',
      'halo',
    ),
    '/home/anna/spring shop/cutouts/a-rather-long-name.png',
  ),
  failedEvent('photos/another-empty.jpg'),
  completedEvent('photos/vase.jpg'),
  summaryEvent({
    ...{ images: 5, completed: 3, failed: 2, needReview: 1 },
    failures: [failedEvent('photos/empty.jpg'), failedEvent('photos/another-empty.jpg')],
  }),
]

const many = (count: number): Step[] =>
  Array.from({ length: count }, (_, index) =>
    index % 50 === 49
      ? failedEvent(`photos/${index}.jpg`)
      : written(completedEvent(`photos/${index}.jpg`), `/home/anna/shop/cutouts/${index}.png`),
  )

async function endOf(steps: Step[], size: typeof usual): Promise<Screen> {
  const screen = await tellOnScreen(steps, size)
  await screen.ended()
  expect(screen.isCursorShown()).toBe(true)
  expect(screen.wraps()).toBe(true)
  return screen
}

describe('one image', () => {
  it('ends in its figures and where it is', async () => {
    expect((await endOf(oneImage, usual)).text()).toMatchInlineSnapshot(`
      "$ rmbg
      1 image, model silhouette, to /home/anna/.local/share/rmbg/store, log in
        embedded database in /home/anna/.local/share/rmbg/database
      model silhouette runs on cpu
      1 completed, 0 skipped, 0 failed of 1 in 0.1 s, 10 images/s
      The cut-out is in the store. To get it as a file, run the same command with
        --output FILE.png.
      $"
    `)
  })
})

describe('one image with a file', () => {
  const asFile = (path: string): Step[] => [
    startEvent(1, path),
    written(completedEvent('photos/mug.jpg'), path),
    summaryEvent({ images: 1 }),
  ]

  it('ends in that file', async () => {
    const screen = await endOf(asFile('/home/anna/spring shop/mug.png'), usual)
    expect(screen.text()).toContain('\nThe cut-out is /home/anna/spring shop/mug.png\n')
  })

  it('whose path is longer than the window ends in it, to be copied in one piece', async () => {
    const path = '/home/anna/the pictures of the spring of this year/mug.png'
    const screen = await endOf(asFile(path), narrow)
    expect(screen.text()).toContain(
      '\nThe cut-out is\n  /home/anna/the pictures of the spring \nof this year/mug.png\n',
    )
    screen.resize(100, 12)
    await screen.until(`  ${path}`)
  })
})

describe('failures, notices and cut-outs to look at', () => {
  it('are all there to read in 80x24', async () => {
    expect((await endOf(mixed, usual)).text()).toMatchInlineSnapshot(`
      "$ rmbg
      Creating the embedded database, once
      3 pictures of kinds that are not read from folders were left out: psd (2), cr2
        (1).
      5 images (3 of other kinds left out), model silhouette, to
        /home/anna/.local/share/rmbg/store, log in
        embedded database in /home/anna/.local/share/rmbg/database
      NOTICE: RMBG-2.0 is not installed: the small built-in model "silhouette" is
        used, which suits plain backdrops. Get RMBG-2.0 with
        "rmbg model pull rmbg-2.0".
      model silhouette runs on cpu
      failed     photos/empty.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      completed
        photos/a-rather-long-name-of-a-picture-as-cameras-and-agencies-make-them.jpg
        -> /home/anna/spring shop/cutouts/a-rather-long-name.png  118 ms  [review:
        soft-mask; halo]
      failed     photos/another-empty.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      3 completed, 0 skipped, 2 failed of 5 in 0.5 s, 10 images/s
      Failed:
        photos/empty.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
        photos/another-empty.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
      The cut-outs are in /home/anna/spring shop/cutouts
      1 cut-out needs review. See why: rmbg query --needs-review
      $"
    `)
  })

  it('are all there to read in 40x12, with what left the window at its top', async () => {
    expect((await endOf(mixed, narrow)).all()).toMatchInlineSnapshot(`
      "$ rmbg
      Creating the embedded database, once
      3 pictures of kinds that are not read
        from folders were left out: psd (2),
        cr2 (1).
      5 images (3 of other kinds left out),
        model silhouette, to
        /home/anna/.local/share/rmbg/store,
        log in
        embedded database in /home/anna/.local
      /share/rmbg/database
      NOTICE: RMBG-2.0 is not installed: the
        small built-in model "silhouette" is
        used, which suits plain backdrops. Get
        RMBG-2.0 with
        "rmbg model pull rmbg-2.0".
      model silhouette runs on cpu
      failed     photos/empty.jpg  The file is
        empty (0 bytes). [INPUT_EMPTY]
      completed
        photos/a-rather-long-name-of-a-picture
      -as-cameras-and-agencies-make-them.jpg
        -> /home/anna/spring shop/cutouts/a-ra
      ther-long-name.png
        118 ms  [review: soft-mask; halo]
      failed     photos/another-empty.jpg  The
        file is empty (0 bytes). [INPUT_EMPTY]
      3 completed, 0 skipped, 2 failed of 5 in
        0.5 s, 10 images/s
      Failed:
        photos/empty.jpg: The file is empty (0
          bytes). [INPUT_EMPTY]
        photos/another-empty.jpg: The file is
          empty (0 bytes). [INPUT_EMPTY]
      The cut-outs are in
        /home/anna/spring shop/cutouts
      1 cut-out needs review. See why:
        rmbg query --needs-review
      $"
    `)
  })

  it('are all there to read in 160x50', async () => {
    expect((await endOf(mixed, wide)).text()).toMatchInlineSnapshot(`
      "$ rmbg
      Creating the embedded database, once
      3 pictures of kinds that are not read from folders were left out: psd (2), cr2 (1).
      5 images (3 of other kinds left out), model silhouette, to /home/anna/.local/share/rmbg/store, log in embedded database in /home/anna/.local/share/rmbg/database
      NOTICE: RMBG-2.0 is not installed: the small built-in model "silhouette" is used, which suits plain backdrops. Get RMBG-2.0 with "rmbg model pull rmbg-2.0".
      model silhouette runs on cpu
      failed     photos/empty.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      completed  photos/a-rather-long-name-of-a-picture-as-cameras-and-agencies-make-them.jpg -> /home/anna/spring shop/cutouts/a-rather-long-name.png  118 ms
        [review: soft-mask; halo]
      failed     photos/another-empty.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      3 completed, 0 skipped, 2 failed of 5 in 0.5 s, 10 images/s
      Failed:
        photos/empty.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
        photos/another-empty.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
      The cut-outs are in /home/anna/spring shop/cutouts
      1 cut-out needs review. See why: rmbg query --needs-review
      $"
    `)
  })
})

describe('before the first image', () => {
  it('words say what is waited for', async () => {
    const screen = await tellOnScreen(
      [
        { type: 'phase', phase: 'inputs', message: 'Looking for pictures' },
        'until a key',
        { type: 'phase', phase: 'database', message: 'Opening the database' },
        startEvent(8),
        { type: 'phase', phase: 'model', message: 'Loading the model silhouette' },
        'until a key',
      ],
      usual,
    )
    await screen.until('Looking')
    expect(screen.text()).toMatchInlineSnapshot(`
      "$ rmbg
      Looking for pictures …"
    `)
    screen.type(' ')
    await screen.until('Loading')
    expect(screen.text()).toMatchInlineSnapshot(`
      "$ rmbg
      8 images, model silhouette, to /home/anna/.local/share/rmbg/store, log in
        embedded database in /home/anna/.local/share/rmbg/database
      ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  0/8  Loading the model silhouette …"
    `)
    screen.type(' ')
    await screen.ended()
    expect(screen.isCursorShown()).toBe(true)
  })
})

describe('five hundred images', () => {
  const begun: Step[] = [startEvent(500, '/home/anna/shop/cutouts'), modelEvent, ...many(250)]
  const failures = Array.from({ length: 10 }, (_, index) => failedEvent(`photos/${index * 50 + 49}.jpg`))
  const rest: Step[] = [
    ...many(500).slice(250),
    summaryEvent({ images: 500, completed: 490, failed: 10, failures }),
  ]

  it('have one bar, which fits the window when that becomes narrower', async () => {
    const screen = await tellOnScreen([...begun, 'until a key', ...rest], usual)
    await screen.until('250/500')
    expect(screen.text()).toMatchInlineSnapshot(`
      "$ rmbg
      500 images, model silhouette, to /home/anna/.local/share/rmbg/store, log in
        embedded database in /home/anna/.local/share/rmbg/database
      model silhouette runs on cpu
      failed     photos/49.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      failed     photos/99.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      failed     photos/149.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      failed     photos/199.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      failed     photos/249.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      ███████████████░░░░░░░░░░░░░░░  250/500  10.0 images/s  ETA 25s  5 failed"
    `)
    screen.resize(40, 12)
    await screen.until(/250\/500 {2}ETA/)
    expect(screen.text()).toMatchInlineSnapshot(`
      "model silhouette runs on cpu
      failed     photos/49.jpg  The file is em
      pty (0 bytes). [INPUT_EMPTY]
      failed     photos/99.jpg  The file is em
      pty (0 bytes). [INPUT_EMPTY]
      failed     photos/149.jpg  The file is e
      mpty (0 bytes). [INPUT_EMPTY]
      failed     photos/199.jpg  The file is e
      mpty (0 bytes). [INPUT_EMPTY]
      failed     photos/249.jpg  The file is e
      mpty (0 bytes). [INPUT_EMPTY]
      ██████░░░░░  250/500  ETA 25s  5 failed"
    `)
    screen.type(' ')
    await screen.ended()
    expect(screen.text()).toMatchInlineSnapshot(`
      "    bytes). [INPUT_EMPTY]
        photos/349.jpg: The file is empty (0
          bytes). [INPUT_EMPTY]
        photos/399.jpg: The file is empty (0
          bytes). [INPUT_EMPTY]
        photos/449.jpg: The file is empty (0
          bytes). [INPUT_EMPTY]
        photos/499.jpg: The file is empty (0
          bytes). [INPUT_EMPTY]
      The cut-outs are in
        /home/anna/shop/cutouts
      $"
    `)
    expect(screen.all()).not.toMatch(/[█░]/)
  })

  it('have one bar, which fits the window when that becomes wider', async () => {
    const screen = await tellOnScreen([...begun, 'until a key'], narrow)
    await screen.until('250/500')
    expect(screen.text()).toMatchInlineSnapshot(`
      "model silhouette runs on cpu
      failed     photos/49.jpg  The file is
        empty (0 bytes). [INPUT_EMPTY]
      failed     photos/99.jpg  The file is
        empty (0 bytes). [INPUT_EMPTY]
      failed     photos/149.jpg  The file is
        empty (0 bytes). [INPUT_EMPTY]
      failed     photos/199.jpg  The file is
        empty (0 bytes). [INPUT_EMPTY]
      failed     photos/249.jpg  The file is
        empty (0 bytes). [INPUT_EMPTY]
      ██████░░░░░  250/500  ETA 25s  5 failed"
    `)
    screen.resize(160, 50)
    await screen.until(/250\/500 {2}10.0 images/)
    expect(screen.text()).toMatchInlineSnapshot(`
      "$ rmbg
      500 images, model silhouette, to
        /home/anna/.local/share/rmbg/store,
        log in
        embedded database in /home/anna/.local/share/rmbg/database
      model silhouette runs on cpu
      failed     photos/49.jpg  The file is
        empty (0 bytes). [INPUT_EMPTY]
      failed     photos/99.jpg  The file is
        empty (0 bytes). [INPUT_EMPTY]
      failed     photos/149.jpg  The file is
        empty (0 bytes). [INPUT_EMPTY]
      failed     photos/199.jpg  The file is
        empty (0 bytes). [INPUT_EMPTY]
      failed     photos/249.jpg  The file is
        empty (0 bytes). [INPUT_EMPTY]
      ███████████████░░░░░░░░░░░░░░░  250/500  10.0 images/s  ETA 25s  5 failed"
    `)
  })

  it('of which most failed do not push the end from the screen', async () => {
    const failed = Array.from({ length: 500 }, (_, index) => failedEvent(`photos/${index}.jpg`))
    const steps = [
      startEvent(500),
      ...failed,
      summaryEvent({ images: 500, completed: 0, failed: 500, failures: failed }),
    ]
    expect((await endOf(steps, usual)).text()).toMatchInlineSnapshot(`
      "failed     photos/490.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      failed     photos/491.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      failed     photos/492.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      failed     photos/493.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      failed     photos/494.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      failed     photos/495.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      failed     photos/496.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      failed     photos/497.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      failed     photos/498.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      failed     photos/499.jpg  The file is empty (0 bytes). [INPUT_EMPTY]
      0 completed, 0 skipped, 500 failed of 500 in 50.0 s
      Failed:
        photos/0.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
        photos/1.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
        photos/2.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
        photos/3.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
        photos/4.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
        photos/5.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
        photos/6.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
        photos/7.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
        photos/8.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
        photos/9.jpg: The file is empty (0 bytes). [INPUT_EMPTY]
        and 490 more: rmbg query --status failed
      $"
    `)
  })
})

describe('the cursor is there again', () => {
  it('after a defect', async () => {
    const screen = await tellOnScreen([startEvent(3), completedEvent('photos/mug.jpg'), 'crash'], usual)
    await screen.ended()
    expect(screen.isCursorShown()).toBe(true)
    expect(screen.text()).not.toContain('░')
  })

  it('after Ctrl-C', async () => {
    const screen = await tellOnScreen([startEvent(3), completedEvent('photos/mug.jpg'), 'for ever'], usual)
    await screen.until('1/3')
    screen.type('\u0003')
    await screen.ended()
    expect(screen.isCursorShown()).toBe(true)
    expect(screen.text()).toMatchInlineSnapshot(`
      "$ rmbg
      3 images, model silhouette, to /home/anna/.local/share/rmbg/store, log in
        embedded database in /home/anna/.local/share/rmbg/database
      $"
    `)
  })
})
