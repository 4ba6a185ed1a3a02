/** What a panel says when it has nothing to show, or not what it should: what happened, and what to do. */
import type { JSX } from 'preact'
import { filters, setFilter } from '../address.ts'
import type { AnswerMeta } from '../answer.ts'
import { askAllNow, type Fault } from '../live.ts'
import { chooseRange, range } from '../range.ts'

export function Loading(): JSX.Element {
  return (
    <div class="state loading" role="status">
      <span class="sr">Loading</span>
      <div class="bone" />
      <div class="bone" />
      <div class="bone" />
    </div>
  )
}

export function Empty({ meta }: { meta: AnswerMeta }): JSX.Element {
  const { batch, closed, open } = meta.rows
  if (batch + closed + open === 0)
    return (
      <div class="state">
        <strong>No events yet</strong>
        <p>The first one appears here within a second of its arrival.</p>
        <code>./watershed ingest {meta.dataset} events.ndjson</code>
      </div>
    )
  return (
    <div class="state">
      <strong>Nothing matches</strong>
      <p>{reasonOf(meta)}</p>
      {filters.value.size > 0 && (
        <button type="button" class="button" onClick={clearFilters}>
          Remove the filters
        </button>
      )}
      {range.value.fromMs !== null && (
        <button type="button" class="button" onClick={() => chooseRange('')}>
          Show the newest events
        </button>
      )}
    </div>
  )
}

function reasonOf({ window }: AnswerMeta): string {
  if (filters.value.size > 0) return 'No event matches the filters of this page.'
  if (range.value.fromMs !== null) return 'No event has its time in the chosen range.'
  return window === null ? 'No row meets the condition of this view.' : 'Nothing in this window meets its condition.'
}

function clearFilters(): void {
  for (const dimension of filters.value.keys()) setFilter(dimension, [])
}

export function FaultNote({ fault, earlier }: { fault: Fault; earlier: boolean }): JSX.Element {
  return (
    <div class={`state fault ${fault.kind} ${earlier ? 'beside' : ''}`} role="status">
      <strong>{fault.title}</strong>
      <p>{fault.kind === 'unreachable' ? unreachable(earlier) : fault.detail}</p>
      {fault.retryable && (
        <button type="button" class="button" onClick={askAllNow}>
          Try again now
        </button>
      )}
    </div>
  )
}

function unreachable(earlier: boolean): string {
  const shown = earlier ? 'What is shown is from before. ' : ''
  return `${shown}It is asked again automatically. If it does not come back, start it: ./watershed start`
}
