/** Where a number comes from, in words. Shown at every panel, and for each number that is pointed at or focused. */
import type { ComponentChildren, JSX } from 'preact'
import type { AnswerMeta } from './answer.ts'
import { formatDuration, formatMoment, formatNumber } from './format.ts'
import type { Known } from './live.ts'

/** Some lines: enough to decide whether to trust the number, and what exactly it counts. */
export function provenanceText(meta: AnswerMeta, measure?: string): string {
  const removed = meta.removed === null ? [] : [meta.removed.why]
  return [`${exactness(meta, measure)}, ${behindText(meta)}`, ...layerTexts(meta), ...removed].join('\n')
}

function exactness({ exact, estimates, outdated, removed }: AnswerMeta, measure?: string): string {
  if (outdated !== null) return 'by the earlier definition'
  const estimate = measure === undefined ? undefined : estimates[measure]
  if (estimate !== undefined) return `estimated: ${estimate.bound}`
  if (exact || measure !== undefined) return 'exact'
  if (removed !== null && Object.keys(estimates).length === 0) return 'exact for what is kept'
  return `exact, except ${Object.keys(estimates).join(', ') || 'what was being flushed'}`
}

function behindText({ behind }: AnswerMeta): string {
  if (behind === null) return 'the log cannot be read'
  return behind === 0 ? 'nothing missing' : `${formatNumber(behind)} events behind`
}

function layerTexts({ rows: { batch, closed, open }, generation, boundary, position }: AnswerMeta): string[] {
  const live = `${formatNumber(closed + open)} live events, up to ${offsets(position, SHOWN_SHORT_MAX)}`
  if (generation === null) return [live]
  return [
    `${formatNumber(batch)} events of batch ${generation.id}, before the boundary ${offsets(boundary, SHOWN_SHORT_MAX)}`,
    live,
  ]
}

/** How the layers share the events that were counted. */
export function LayerBar({ meta: { rows } }: { meta: AnswerMeta }): JSX.Element {
  const total = Math.max(1, rows.batch + rows.closed + rows.open)
  const part = (name: keyof typeof rows, label: string): JSX.Element | null =>
    rows[name] > 0 ? (
      <div class={`layer ${name}`} style={{ flexGrow: rows[name] / total }}>
        <span class="sr">
          {label}: {formatNumber(rows[name])} events
        </span>
      </div>
    ) : null
  return (
    <div class="layers">
      {part('batch', 'batch')}
      {part('closed', 'closed segments')}
      {part('open', 'open segments')}
    </div>
  )
}

export function Provenance({ meta }: { meta: AnswerMeta }): JSX.Element {
  const { rows, generation, boundary, position, estimates } = meta
  return (
    <div class="provenance">
      <LayerBar meta={meta} />
      <dl>
        <Fact name="Batch layer" tone="batch">
          {formatNumber(rows.batch)} events
          {generation && ` · ${generation.id} (${generation.mode}) of ${formatMoment(generation.finishedAt)}`}
        </Fact>
        <Fact name="Speed layer" tone="closed">
          {formatNumber(rows.closed)} in closed segments, {formatNumber(rows.open)} in open ones
        </Fact>
        <Fact name="Boundary">{offsets(boundary)}</Fact>
        <Fact name="Position">{offsets(position)}</Fact>
        <Fact name="Missing">{behindText(meta)}</Fact>
        {Object.entries(estimates).map(([measure, { bound, rows: concerned }]) => (
          <Fact key={measure} name={`${measure} is estimated`}>
            {bound}
            {concerned !== undefined && ` (${formatNumber(concerned)} rows)`}
          </Fact>
        ))}
        <Fact name="Left out">
          {formatNumber(meta.deadLetters)} dead letters{meta.gapFree ? ', no gaps' : '; the log lost events, see gaps'}
        </Fact>
        <Fact name="Late">{formatNumber(meta.lateRows)} events, counted like all others</Fact>
        {meta.liveMissing !== null && <Fact name="Live part">{meta.liveMissing}</Fact>}
        {meta.removed !== null && <Fact name="Removed">{meta.removed.why}</Fact>}
        {meta.outdated !== null && <Fact name="Changed since">{meta.outdated.changes.join(', ')}</Fact>}
      </dl>
    </div>
  )
}

function Fact({ name, tone, children }: { name: string; tone?: string; children: ComponentChildren }): JSX.Element {
  return (
    <div class={tone === undefined ? 'fact' : `fact tone-${tone}`}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

const SHOWN_MAX = 8
const SHOWN_SHORT_MAX = 4

/** one of each partition */
function offsets(all: readonly number[], shownMax = SHOWN_MAX): string {
  if (all.length === 0) return 'none yet'
  const shown = all.slice(0, shownMax).map((offset) => formatNumber(offset))
  return all.length > shownMax ? `${shown.join(' · ')} and ${all.length - shownMax} more` : shown.join(' · ')
}

/** `exact · 0.6 s`: the tag of a panel. */
export function provenanceTag({ value, fault, checkedAtMs }: Known<{ readonly meta: AnswerMeta }>): {
  readonly tone: 'good' | 'note' | 'bad'
  readonly text: string
} {
  if (value === null) return { tone: 'note', text: '' }
  const { meta } = value
  if (fault !== null) return { tone: 'bad', text: `as of ${formatDuration(Date.now() - checkedAtMs)} ago` }
  if (meta.outdated !== null) return { tone: 'note', text: 'earlier definition' }
  if (meta.liveMissing !== null || meta.behind === null) return { tone: 'bad', text: 'live part missing' }
  if (!meta.gapFree) return { tone: 'bad', text: 'events were lost' }
  if (meta.removed !== null) return { tone: 'note', text: 'older detail removed' }
  const exact = meta.exact ? 'exact' : 'with estimates'
  return { tone: 'good', text: meta.behind > 0 ? `${exact} · ${formatNumber(meta.behind)} behind` : exact }
}
