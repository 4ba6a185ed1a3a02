/** What all panels have: a title, controls, the state of their answer, its provenance, and a menu. */
import type { ComponentChildren, JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { filters } from '../address.ts'
import type { Answer } from '../answer.ts'
import { titled } from '../definition.ts'
import type { Followed } from '../live.ts'
import { Provenance, provenanceTag, provenanceText } from '../provenance.tsx'
import type { Ask } from '../question.ts'
import { unapplied } from '../unapplied.ts'
import { CopyMenu } from './copy-menu.tsx'
import { Empty, FaultNote, Loading } from './states.tsx'

export interface FrameProps {
  readonly title: string
  readonly hint?: string
  readonly known: Followed<Ask | null, Answer>
  readonly controls?: ComponentChildren
  /** of 12 columns */
  readonly span?: number
  /** what is shown where the answer has more rows; default: so many of them */
  readonly part?: string
  /** its exports have every row, and not only as many as are shown */
  readonly exportsAll?: boolean
  readonly children: (answer: Answer) => ComponentChildren
}

/** A filter of the page that the panel's view knows nothing of. */
function Unfiltered({ path }: { path: string }): JSX.Element | null {
  const names = unapplied([...filters.value.keys()], path)
  return names.length === 0 ? null : <p class="hint">not filtered by {names.map(titled).join(', ').toLowerCase()}</p>
}

export function Frame(props: FrameProps): JSX.Element {
  const { title, hint, known, controls, span = 6, part, exportsAll = false, children } = props
  const [open, setOpen] = useState(false)
  const id = useId()
  const { value, fault, pending, asked } = known
  const tag = provenanceTag(known)
  const isLoading = value === null && fault === null
  return (
    <section class={`panel span-${span}`} aria-labelledby={`${id}-title`} aria-busy={pending || isLoading}>
      <header>
        <div class="heading">
          <h3 id={`${id}-title`}>{title}</h3>
          {hint !== undefined && <p class="hint">{hint}</p>}
          {asked !== null && <Unfiltered path={asked.path} />}
        </div>
        <div class="controls">{controls}</div>
      </header>
      <div class={fault === null ? 'body' : 'body stale'}>
        {fault !== null && <FaultNote fault={fault} earlier={value !== null} />}
        {isLoading && <Loading />}
        {value !== null && (value.data.length === 0 ? <Empty meta={value.meta} /> : children(value))}
      </div>
      {value !== null && (
        <footer>
          <button
            type="button"
            class={`tag tone-${tag.tone}`}
            aria-expanded={open}
            aria-controls={`${id}-provenance`}
            data-tip={provenanceText(value.meta)}
            onClick={() => setOpen(!open)}
          >
            <span class="dot" aria-hidden="true" />
            {tag.text}
          </button>
          {value.meta.truncated && <span class="hint">{part ?? `the first ${value.data.length} rows`}</span>}
          {asked !== null && <CopyMenu path={asked.path} all={exportsAll} />}
        </footer>
      )}
      <div id={`${id}-provenance`}>{open && value !== null && <Provenance meta={value.meta} />}</div>
    </section>
  )
}
