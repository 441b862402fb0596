import { useEffect, useRef } from 'preact/hooks'

const keys: [string, string, 'live' | 'always'][] = [
  ['A', 'accept, and go to the next one', 'always'],
  ['R', 'reject, and go to the next one', 'always'],
  ['N, →', 'next', 'always'],
  ['P, ←', 'previous', 'always'],
  ['U', 'undo', 'always'],
  ['Enter', 'open', 'always'],
  ['Esc', 'back to the grid', 'always'],
  ['D', 'do again with another model or setting', 'live'],
  ['B', 'mend with a brush', 'live'],
  ['E, S', 'brush: erase, restore', 'live'],
  ['[ ]', 'brush: smaller, larger', 'live'],
  ['O', 'original, cut-out', 'always'],
  ['M', 'what was removed, in red', 'live'],
  ['H', 'marks of what is doubtful', 'live'],
  ['+ − 0', 'zoom in, out, whole picture', 'always'],
]

export function Help({ isOpen, isLive, onClose }: { isOpen: boolean; isLive: boolean; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (isOpen && !dialog.current?.open) dialog.current?.showModal()
    if (!isOpen) dialog.current?.close()
  }, [isOpen])
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="help-title">
      <h2 id="help-title">Keys</h2>
      <dl class="keys">
        {keys
          .filter(([, , where]) => isLive || where === 'always')
          .map(([key, what]) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
      </dl>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  )
}
