/** What a progress line says, as wide as there is room. */
import stringWidth from 'string-width'

/** One piece of it. */
export interface Piece {
  /** Nothing is shown of an empty one. */
  text: string
  /** Where not all fit, those of the highest rank are left out first. */
  rank: number
}

const barWidth = { least: 8, most: 30 }
const gap = '  '

/**
 * A bar and pieces behind it. The bar shrinks first, then pieces are left out, then the bar.
 *
 * @param options.width columns
 * @param options.progress 0..1
 */
export function progressLine(
  pieces: readonly Piece[],
  { width, progress }: { width: number; progress: number },
): string {
  const shown = pieces.filter(({ text }) => text !== '')
  const room = () => width - shown.reduce((sum, { text }) => sum + gap.length + stringWidth(text), 0)
  while (room() < barWidth.least && shown.length > 1) {
    const least = Math.max(...shown.map(({ rank }) => rank))
    shown.splice(
      shown.findIndex(({ rank }) => rank === least),
      1,
    )
  }
  const texts = shown.map(({ text }) => text)
  const size = Math.min(room(), barWidth.most)
  return cutTo(width, [...(size < barWidth.least ? [] : [bar(size, progress)]), ...texts].join(gap))
}

function bar(size: number, progress: number): string {
  const done = Math.round(size * progress)
  return '█'.repeat(done) + '░'.repeat(size - done)
}

/** Text of one line that is cut, visibly, where it would take more columns. */
export function cutTo(width: number, text: string): string {
  if (stringWidth(text) <= width) return text
  let cut = ''
  let used = 0
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    used += stringWidth(segment)
    if (used >= width) break
    cut += segment
  }
  return width > 0 ? `${cut}…` : ''
}

/** `ETA 15s`, `ETA 2m05s`, `ETA 1h20m`; rounded, for it is a guess. Nothing where nothing is known. */
export function etaText(seconds: number): string {
  if (!Number.isFinite(seconds)) return ''
  if (seconds <= 10) return `ETA ${Math.ceil(seconds)}s`
  const rounded = seconds < 3600 ? Math.round(seconds / 5) * 5 : Math.round(seconds / 60) * 60
  const two = (value: number) => String(value).padStart(2, '0')
  if (rounded < 60) return `ETA ${rounded}s`
  if (rounded < 3600) return `ETA ${Math.floor(rounded / 60)}m${two(rounded % 60)}s`
  return `ETA ${Math.floor(rounded / 3600)}h${two(Math.floor((rounded % 3600) / 60))}m`
}
