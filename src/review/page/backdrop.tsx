/** What a cut-out is seen on. It is the same for all pictures, and remembered while the page is open. */
import { useState } from 'preact/hooks'

export type Backdrop = 'checker' | 'white' | 'black' | 'magenta' | 'color' | 'picture'

interface Chosen {
  kind: Backdrop
  color: string
  /** A `blob:` address. */
  picture: string | undefined
}

let remembered: Chosen = { kind: 'checker', color: '#3b7dd8', picture: undefined }

const words: Record<Backdrop, string> = {
  checker: 'Checker',
  white: 'White',
  black: 'Black',
  magenta: 'Magenta',
  color: 'Color',
  picture: 'Picture',
}

export function useBackdrop() {
  const [chosen, setChosen] = useState(remembered)
  const choose = (change: Partial<Chosen>) => {
    remembered = { ...chosen, ...change }
    setChosen(remembered)
  }
  const { kind, color, picture } = chosen
  const style: Record<string, string> =
    kind === 'color'
      ? { background: color }
      : kind === 'picture' && picture !== undefined
        ? { background: `url("${picture}") center / cover` }
        : {}
  return { kind, className: `backdrop ${kind}`, style, chosen, choose }
}

export function BackdropChoice({
  chosen,
  choose,
}: {
  chosen: Chosen
  choose: (change: Partial<Chosen>) => void
}) {
  return (
    <fieldset class="choice backdrops">
      <legend>Backdrop</legend>
      {(Object.keys(words) as Backdrop[]).map((kind) => (
        <label key={kind}>
          <input
            type="radio"
            name="backdrop"
            checked={chosen.kind === kind}
            onChange={() => choose({ kind })}
          />
          <span>{words[kind]}</span>
        </label>
      ))}
      {chosen.kind === 'color' ? (
        <input
          type="color"
          aria-label="Color of the backdrop"
          value={chosen.color}
          onInput={({ currentTarget }) => choose({ color: currentTarget.value })}
        />
      ) : null}
      {chosen.kind === 'picture' ? (
        <input
          type="file"
          accept="image/*"
          aria-label="Picture of the backdrop"
          onChange={({ currentTarget }) => {
            const [file] = currentTarget.files ?? []
            if (!file) return
            if (chosen.picture !== undefined) URL.revokeObjectURL(chosen.picture)
            choose({ picture: URL.createObjectURL(file) })
          }}
        />
      ) : null}
    </fieldset>
  )
}
