/** The menu of saved views: open one, save what is looked at, rename and delete. */
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Link } from '../link.tsx'
import { firstAnswered, useLive } from '../live.ts'
import { NameForm } from './name-form.tsx'
import { change, lookedAt, openId, remove, type SavedView, save, savedViewsPath, show } from './saved-view.ts'

const EVERY_MS = 15_000

type Listed = { readonly savedViews: readonly SavedView[] }

export function SavedViews({ dataset }: { dataset: string }): JSX.Element | null {
  const id = openId()
  const asked = id !== null || firstAnswered.value ? savedViewsPath(dataset) : null
  const { value } = useLive<Listed, ReturnType<typeof savedViewsPath>>(asked, EVERY_MS)
  const menu = useRef<HTMLDetailsElement>(null)
  const [why, tell] = useState<string | null>(null)
  const views = value?.savedViews ?? []
  const open = views.find((view) => view.id === id)
  const now = lookedAt()
  useEffect(() => {
    if (open !== undefined && now === '') show(open)
  }, [open?.id])
  if (value === null) return null
  const doing = (work: Promise<void>): void => {
    tell(null)
    void work.catch((error: unknown) => tell((error as Error).message))
  }
  const isChanged = open !== undefined && now !== '' && open.parameters !== now
  return (
    <details
      class="menu saved"
      ref={menu}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return
        menu.current!.open = false
        menu.current!.querySelector('summary')!.focus()
      }}
    >
      <summary>{open === undefined ? 'Views' : `${open.name}${isChanged ? ' (changed)' : ''}`}</summary>
      <div class="saved-menu">
        {id !== null && open === undefined && <p class="hint">The saved view of this link was deleted.</p>}
        {isChanged && (
          <button type="button" class="button" onClick={() => doing(change(dataset, open.id, { parameters: now }))}>
            Save changes to “{open.name}”
          </button>
        )}
        <NameForm label="Save this view as" submit="Save" onName={(name) => doing(save(dataset, name))} />
        <p class="sign-in-fault" role="alert">
          {why}
        </p>
        {views.length === 0 && <p class="hint">Filters, time and choices are kept under a name, for everyone here.</p>}
        <ul>
          {views.map((view) => (
            <Entry key={view.id} view={view} dataset={dataset} isOpen={view.id === id} doing={doing} />
          ))}
        </ul>
      </div>
    </details>
  )
}

interface EntryProps {
  readonly view: SavedView
  readonly dataset: string
  readonly isOpen: boolean
  readonly doing: (work: Promise<void>) => void
}

function Entry({ view, dataset, isOpen, doing }: EntryProps): JSX.Element {
  const [asks, ask] = useState<'rename' | 'delete' | null>(null)
  if (asks === 'rename')
    return (
      <li>
        <NameForm
          label={`New name of ${view.name}`}
          submit="Rename"
          name={view.name}
          onName={(name) => {
            ask(null)
            doing(change(dataset, view.id, { name }))
          }}
        />
      </li>
    )
  return (
    <li>
      <Link to={view.link} current={isOpen}>
        {view.name}
      </Link>
      <button type="button" aria-label={`Rename ${view.name}`} onClick={() => ask('rename')}>
        Rename
      </button>
      <button
        type="button"
        aria-label={asks === 'delete' ? `Delete ${view.name} for everyone` : `Delete ${view.name}`}
        onBlur={() => ask(null)}
        onClick={() => (asks === 'delete' ? doing(remove(dataset, view.id)) : ask('delete'))}
      >
        {asks === 'delete' ? 'For everyone?' : 'Delete'}
      </button>
    </li>
  )
}
