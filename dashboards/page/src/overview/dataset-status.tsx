/** One line on how a dataset does: its rate, what is missing, and the worst of its hops. */
import type { JSX } from 'preact'
import { formatNumber, localized } from '../format.ts'
import { Link } from '../link.tsx'
import { firstAnswered, useLive } from '../live.ts'
import { type AskedHealth, type Health, healthPath, type State } from './health.ts'

export const TONES: Readonly<Record<State, string>> = { ok: 'good', note: 'note', attention: 'bad' }

export function DatasetStatus({ dataset }: { dataset: string }): JSX.Element | null {
  const { value } = useLive<Health, AskedHealth>(firstAnswered.value ? healthPath(dataset) : null)
  if (value === null) return null
  const worst = value.hops.find(({ state }) => state === value.state)
  const rate = value.rates?.appendedPerSecond
  return (
    <Link to={`/#${dataset}`} class={`tag status tone-${TONES[value.state]}`}>
      <span class="dot" aria-hidden="true" />
      {rate != null && <span>{formatNumber(Math.round(rate * 10) / 10)} events/s</span>}
      <span>{value.behind === null ? 'log unknown' : `${formatNumber(value.behind)} behind`}</span>
      {value.state === 'attention' && <span>{localized(worst?.message ?? '')}</span>}
    </Link>
  )
}
