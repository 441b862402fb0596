// One HTML file with before and after, those that need a look first. GitHub shows no embedded picture in a job's summary.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { escaped, readEvents, setOutputs } from './outputs.mjs'

const { EVENTS, THUMBNAILS, ARTIFACT, RUNNER_TEMP } = process.env
const events = readEvents(EVENTS)
const reasonsOf = ({ review }) => review?.reasons ?? []
const pictures = events
  .filter(({ type, output }) => type === 'image' && output?.path !== undefined)
  .sort((a, b) => Math.sign(reasonsOf(b).length) - Math.sign(reasonsOf(a).length))
const failures = events.filter(({ type, status }) => type === 'image' && status === 'failed')

/** As a data URL; empty where the picture cannot be read any more. */
async function thumbnail(path) {
  try {
    const small = await sharp(path).autoOrient().resize(320, 320, { fit: 'inside', withoutEnlargement: true })
    return `data:image/webp;base64,${(await small.webp({ quality: 80 }).toBuffer()).toString('base64')}`
  } catch {
    return ''
  }
}

async function figure(event) {
  const reasons = reasonsOf(event)
  const [before, after] = await Promise.all([thumbnail(event.input), thumbnail(event.output.path)])
  return `<figure${reasons.length > 0 ? ' class="look"' : ''}>
<img alt="before" src="${before}"><img alt="after" class="cutout" src="${after}">
<figcaption>${escaped(event.input)}${reasons.length > 0 ? `<br><b>${escaped(reasons.join(', '))}</b>` : ''}</figcaption>
</figure>`
}

const shown = []
for (const event of pictures.slice(0, Number(THUMBNAILS))) shown.push(await figure(event))
const failed = failures.map(
  ({ input, code, message }) =>
    `<tr><td>${escaped(input)}</td><td>${escaped(message)}</td><td>${escaped(code)}</td></tr>`,
)
const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>rmbg: ${pictures.length} cut-outs, ${failures.length} failed</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); gap: 16px }
figure { margin: 0; padding: 8px; border: 1px solid #8886; border-radius: 6px; overflow-wrap: anywhere }
figure.look { border-color: #d80 }
img { width: 49%; aspect-ratio: 1; object-fit: contain }
.cutout { background: repeating-conic-gradient(#ccc 0 25%, #fff 0 50%) 0 0 / 16px 16px }
td { padding: 2px 12px 2px 0; vertical-align: top; overflow-wrap: anywhere }
</style></head><body>
<h1>${pictures.length} cut-outs, ${failures.length} failed</h1>
${failed.length > 0 ? `<table>${failed.join('\n')}</table>` : ''}
<p>${shown.length} of ${pictures.length} are shown, those that need a look first.</p>
<main>${shown.join('\n')}</main>
</body></html>
`
const file = join(RUNNER_TEMP, `rmbg-report-${(ARTIFACT || 'cutouts').replace(/[^\w.-]/g, '-')}.html`)
writeFileSync(file, html)
setOutputs({ file })
