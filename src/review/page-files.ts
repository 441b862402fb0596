/** The files of the pages, as `npm run build` made them from src/review/page/. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

const built = new URL('../../dist/review/page/', import.meta.url)

export interface PageFiles {
  script: string
  style: string
}

export async function readPageFiles(): Promise<PageFiles> {
  const [script, style] = await Promise.all([
    readFile(new URL('app.js', built), 'utf8'),
    readFile(new URL('app.css', built), 'utf8'),
  ])
  return { script, style }
}

/** Nothing runs but the page's own script, and nothing is asked of anybody else. Chosen backdrops are `blob:`. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
const noScript = '<noscript><p>This page needs JavaScript.</p></noscript>'

/** Half of it on a checker board, half on none. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#b7bcc4" d="M0 0h4v4H0zm0 8h4v4H0zm4-4h4v4H4zm0 8h4v4H4z"/><circle cx="8" cy="8" r="5" fill="#3b7dd8"/></svg>`

/** The page of the server. */
export const servedPage = `<!doctype html>
<html lang="en"><head>${head}<title>rmbg review</title>
<link rel="icon" href="icon.svg"><link rel="stylesheet" href="app.css"><script defer src="app.js"></script></head>
<body><div id="app"></div>${noScript}</body></html>
`

/** One page that needs no server: its script and style are in it, and no others run. */
export function standalonePage({ script, style }: PageFiles, data: unknown): string {
  const source = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  const inScript = script.replaceAll('</script', '<\\/script')
  const policy = [
    "default-src 'none'",
    `script-src ${source(inScript)}`,
    `style-src ${source(style)}`,
    // A page that is opened as a file has no origin of its own.
    "img-src 'self' file: blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  // No name ends the element early, or begins another one.
  const json = JSON.stringify(data).replaceAll('<', '\\u003c')
  return `<!doctype html>
<html lang="en"><head>${head}<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="referrer" content="no-referrer"><title>rmbg review</title><style>${style}</style></head>
<body><div id="app"></div>${noScript}<script type="application/json" id="review">${json}</script>
<script>${inScript}</script></body></html>
`
}
