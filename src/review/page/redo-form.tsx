import { useState } from 'preact/hooks'
import type { Detail, RedoSettings } from '../contract.ts'

interface RedoFormProps {
  detail: Detail
  models: string[]
  isBusy: boolean
  /** @param changes only what is another one than before */
  onRedo: (model: string | undefined, changes: Partial<RedoSettings>) => void
  onCancel: () => void
}

const texts: [keyof RedoSettings & ('background' | 'shadow' | 'padding' | 'size'), string, string][] = [
  ['background', 'Background', 'none, white, #f5f5f5'],
  ['shadow', 'Shadow', 'none, soft'],
  ['padding', 'Padding', '40px, 5%'],
  ['size', 'Size', '2000x2000'],
]

/** Another model, other settings: what is left as it is stays as it was. */
export function RedoForm({ detail, models, isBusy, onRedo, onCancel }: RedoFormProps) {
  const [model, setModel] = useState('')
  const [settings, setSettings] = useState(detail.settings)
  const set = (name: keyof RedoSettings, value: string) =>
    setSettings((before) => ({ ...before, [name]: value }))
  const submit = (event: Event) => {
    event.preventDefault()
    const names = Object.keys(settings) as (keyof RedoSettings)[]
    const changed = names.filter(
      (name) =>
        settings[name].trim() !== detail.settings[name] || (name === 'background' && detail.lacksBackground),
    )
    onRedo(model || undefined, Object.fromEntries(changed.map((name) => [name, settings[name].trim()])))
  }
  return (
    <form class="redo" onSubmit={submit} aria-label="Do again">
      <label>
        Model
        <select value={model} onChange={({ currentTarget }) => setModel(currentTarget.value)}>
          <option value="">{detail.kept.mask ? 'none: the same mask' : 'the same'}</option>
          {models.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {texts.map(([name, label, example]) => (
        <label key={name}>
          {label}
          <input
            type="text"
            value={settings[name]}
            placeholder={example}
            maxLength={200}
            onInput={({ currentTarget }) => set(name, currentTarget.value)}
          />
        </label>
      ))}
      <label class="check">
        <input
          type="checkbox"
          checked={settings.trim === 'true'}
          onChange={({ currentTarget }) => set('trim', currentTarget.checked ? 'true' : '')}
        />
        Trim empty margins
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={settings.refine !== 'false'}
          onChange={({ currentTarget }) => set('refine', currentTarget.checked ? '' : 'false')}
        />
        Refine the colors of edges
      </label>
      {detail.lacksBackground ? (
        <p>It stood on a picture, which the log does not keep: choose a background, or none.</p>
      ) : null}
      <div class="judge">
        <button type="submit" disabled={isBusy}>
          Make it again
        </button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  )
}
