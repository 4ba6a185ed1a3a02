/** The log of each partition as a line: what the batch layer has counted, what the speed layer has, and what nobody has yet. */
import type { JSX } from 'preact'
import { formatNumber } from '../format.ts'
import type { Health } from './health.ts'

/** more are shown as their sum */
const SHOWN_MAX = 4

type Partition = NonNullable<Health['partitions']>[number]

export function Partitions({ partitions }: { partitions: readonly Partition[] }): JSX.Element {
  const shown = partitions.length > SHOWN_MAX ? [sumOf(partitions)] : partitions
  return (
    <div class="partitions">
      {shown.map((partition) => (
        <Line key={partition.partition} partition={partition} of={partitions.length} />
      ))}
      <ul class="legend" aria-hidden="true">
        <li class="tone-batch">batch layer</li>
        <li class="tone-closed">closed segments</li>
        <li class="tone-open">open segment</li>
        <li class="tone-behind">not counted yet</li>
      </ul>
    </div>
  )
}

/** @param of the partitions that there are */
function Line({ partition, of }: { partition: Partition; of: number }): JSX.Element {
  const { boundary, closedEnd, position } = partition
  const end = Math.max(partition.logEnd ?? position, position)
  const name = partition.partition < 0 ? `All ${of} partitions` : `Partition ${partition.partition}`
  const part = (layer: string, from: number, to: number, label: string): JSX.Element | null =>
    to > from ? (
      <div
        class={`layer ${layer}`}
        style={{ flexGrow: (to - from) / end }}
        data-tip={`${label}: offsets ${formatNumber(from)} to ${formatNumber(to)}`}
      />
    ) : null
  const spoken = `${name}: ${formatNumber(end)} events; boundary ${formatNumber(boundary)}, position ${formatNumber(position)}`
  return (
    <div class="partition">
      <span class="hint">{name}</span>
      <div class="layers" role="img" aria-label={spoken}>
        {part('batch', 0, boundary, 'Batch layer')}
        {part('closed', boundary, Math.max(boundary, closedEnd), 'Closed segments')}
        {part('open', Math.max(boundary, closedEnd), position, 'Open segment')}
        {part('behind', position, end, 'Not counted yet')}
      </div>
      <span class="number">{formatNumber(end)}</span>
    </div>
  )
}

function sumOf(partitions: readonly Partition[]): Partition {
  const sum = (of: (partition: Partition) => number): number => partitions.reduce((all, one) => all + of(one), 0)
  return {
    partition: -1,
    logEnd: sum(({ logEnd, position }) => logEnd ?? position),
    position: sum(({ position }) => position),
    closedEnd: sum(({ closedEnd, boundary }) => Math.max(closedEnd, boundary)),
    boundary: sum(({ boundary }) => boundary),
    behind: sum(({ behind }) => behind ?? 0),
  }
}
