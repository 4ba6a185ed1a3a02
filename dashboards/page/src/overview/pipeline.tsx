/** One dataset as a pipeline: each hop with its state, what it says and what to do, and below it the log with its layers. */
import type { JSX } from 'preact'
import { datasetPath } from '../address.ts'
import { type Dataset, labelOf } from '../definition.ts'
import { formatDuration, formatNumber, localized } from '../format.ts'
import { Link } from '../link.tsx'
import { useLive } from '../live.ts'
import { FaultNote, Loading } from '../panels/states.tsx'
import { TONES } from './dataset-status.tsx'
import { type AskedHealth, type Health, type Hop, healthPath } from './health.ts'
import { Partitions } from './partitions.tsx'
import { lettersId, Remedy } from './remedy.tsx'

const NAMES: Readonly<Record<Hop['hop'], string>> = {
  sources: 'Sources',
  log: 'Log',
  stream: 'Speed layer',
  lake: 'Lake',
  generation: 'Batch layer',
  verification: 'Verified',
  answers: 'Answers',
}

export function Pipeline({ dataset }: { dataset: Dataset }): JSX.Element {
  const { value, fault } = useLive<Health, AskedHealth>(healthPath(dataset.name))
  return (
    <section class="panel pipeline" id={dataset.name} aria-label={labelOf(dataset)}>
      <header>
        <div class="heading">
          <h2>
            <Link to={datasetPath(dataset.name)}>{labelOf(dataset)}</Link>
          </h2>
          {value !== null && <p class="hint">{summary(value)}</p>}
        </div>
        <Link to={datasetPath(dataset.name)} class="button">
          Show its numbers
        </Link>
      </header>
      {fault !== null && <FaultNote fault={fault} earlier={value !== null} />}
      {value === null && fault === null && <Loading />}
      {value !== null && <Hops health={value} />}
      {value?.partitions != null && <Partitions partitions={value.partitions} />}
      {value !== null && <DeadLetters health={value} />}
    </section>
  )
}

function summary({ rows, rates, behind, freshnessMs }: Health): string {
  if (rows === null) return 'answers cannot be given now'
  const total = formatNumber(rows.batch + rows.closed + rows.open)
  const rate = rates?.appendedPerSecond
  const arriving = rate == null ? '' : `, ${formatNumber(Math.round(rate * 10) / 10)} arriving per second`
  const age = freshnessMs === null ? '' : `, as of ${formatDuration(freshnessMs)} ago`
  return `${total} events counted${age}${arriving}${behind === null || behind === 0 ? '' : `, ${formatNumber(behind)} not counted yet`}`
}

function Hops({ health }: { health: Health }): JSX.Element {
  const flowing = (health.rates?.appendedPerSecond ?? 0) > 0
  return (
    <ol class={flowing ? 'hops flowing' : 'hops'}>
      {health.hops.map((one) => (
        <li key={one.hop} class={`hop tone-${TONES[one.state]}`}>
          <div class="hop-name">
            <span class="dot" aria-hidden="true" />
            {NAMES[one.hop] ?? one.hop}
            <span class="sr">: {one.state}</span>
          </div>
          <p>{localized(one.message)}</p>
          <Remedy hop={one} health={health} />
        </li>
      ))}
    </ol>
  )
}

function DeadLetters({ health: { dataset, deadLetters, unconverted } }: { health: Health }): JSX.Element | null {
  const failed = Object.entries(unconverted)
  if ((deadLetters.total ?? 0) === 0 && failed.length === 0) return null
  return (
    <details class="letters" id={lettersId(dataset)}>
      <summary>
        {formatNumber(deadLetters.total ?? 0)} dead letters
        {failed.length > 0 && `, values of ${failed.length} columns that could not be converted`}
      </summary>
      <ul>
        {deadLetters.reasons?.map(({ reason, count }) => (
          <li key={reason}>
            <strong>{formatNumber(count)}</strong> {reason}
          </li>
        ))}
        {failed.map(([column, count]) => (
          <li key={column}>
            <strong>{formatNumber(count)}</strong> values of {column} could not be converted
          </li>
        ))}
      </ul>
    </details>
  )
}
