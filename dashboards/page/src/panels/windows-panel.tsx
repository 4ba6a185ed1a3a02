/** A view with a window over time: what each window showed, one after the other, as values or as places in its ranking. */
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { choose, chosen } from '../address.ts'
import { type Answer, type Key, keyOf, type Row } from '../answer.ts'
import { Chart } from '../charts/chart.tsx'
import { type LinesInput, linesChart } from '../charts/lines.ts'
import { isAdditive, labelOf, type Measure } from '../definition.ts'
import { formatDuration, HERE } from '../format.ts'
import { type Followed, useLive } from '../live.ts'
import { type Ask, ask, filterQuery, type Source } from '../question.ts'
import { range } from '../range.ts'
import { begunMs, type WindowSeries, windowSeries } from '../windows.ts'
import { Frame } from './frame.tsx'
import { Choice, MeasureChoice, useMeasure } from './measure-choice.tsx'
import { nameOf, titleMeasures } from './ranking-panel.tsx'

export interface WindowsProps {
  readonly source: Source
  readonly id: string
  readonly title: string
  readonly measures: readonly string[]
  readonly by: string
  /** of each window */
  readonly top?: number
  readonly span?: number
}

interface Shown {
  readonly measure: Measure
  readonly series: WindowSeries
  readonly as: As
}

type As = 'values' | 'places'
/** that have a colour of their own */
const LINES_MAX = 8
/** many windows are counted for it */
const EVERY_MS = 10_000

export function WindowsPanel({ source, id, title, measures, by, top = 5, span = 8 }: WindowsProps): JSX.Element {
  const [measure, chooseMeasure] = useMeasure(source, id, measures)
  const as: As = chosen(`as.${id}`) === 'places' ? 'places' : 'values'
  const newest = useNewest(source)
  const [begun, learn] = useBegun(source)
  const series =
    newest.endMs === null ? null : windowSeries(source.view.window!, range.value, newest.endMs, begun ?? undefined)
  const known = useLive<Answer, Ask<Shown>>(
    series === null ? null : ask(source, windowsQuery(source, by, measure, series, top), { measure, as, series }),
    EVERY_MS,
  )
  useEffect(() => learn(known, newest.endMs), [known.value])
  const controls = (
    <>
      <Choice
        label="Show"
        value={as}
        options={[
          ['values', 'Values'],
          ['places', 'Places'],
        ]}
        onChoose={(name) => choose({ [`as.${id}`]: name === 'values' ? null : name })}
      />
      <MeasureChoice source={source} measures={measures} chosen={measure.name} onChoose={chooseMeasure} />
    </>
  )
  const hint = `the first ${top} of each ${formatDuration(source.view.window!.sizeMs)}`
  return (
    <Frame
      title={title}
      hint={hint}
      known={series === null ? newest.known : known}
      span={span}
      controls={controls}
      part={`of each window the first ${top}`}
    >
      {(answer) => {
        const shown = known.asked?.shown
        if (shown === undefined) return null
        return (
          <Chart
            label={`${title}: ${labelOf(shown.measure)} of each window`}
            chart={linesChart(linesOf(source, by, answer, { ...shown, as }))}
          />
        )
      }}
    </Frame>
  )
}

/** When the events began, epoch ms; null: as far as is known there are some in all windows. And how it is learned from an answer. */
function useBegun(
  source: Source,
): [number | null, (known: Followed<Ask<Shown> | null, Answer>, endMs: number | null) => void] {
  const [begun, setBegun] = useState<{ readonly asked: string; readonly ms: number } | null>(null)
  const asked = JSON.stringify([range.value.name, filterQuery(source)])
  const learn = ({ value, asked: answered, pending }: Followed<Ask<Shown> | null, Answer>, endMs: number | null) => {
    if (value === null || value.data.length === 0 || pending || endMs === null || range.value.name !== '') return
    const ends = value.data.map(({ window_end }) => Date.parse(String(window_end)))
    const ms = begunMs(source.view.window!, answered!.shown.series, Math.min(...ends), endMs)
    if (ms !== null) setBegun({ asked, ms })
  }
  return [begun?.asked === asked ? begun.ms : null, learn]
}

/** The end of the newest window, wherever in time it is; null: not known yet, or nothing was counted */
function useNewest(source: Source): {
  readonly endMs: number | null
  readonly known: ReturnType<typeof useNewestAnswer>
} {
  const known = useNewestAnswer(source)
  const end = known.value?.meta.window?.to
  return { endMs: end === undefined ? null : Date.parse(end), known }
}

function useNewestAnswer(source: Source) {
  return useLive<Answer, Ask<null>>(ask(source, { at: 'latest', limit: 1, ...filterQuery(source) }, null), EVERY_MS)
}

function windowsQuery(source: Source, by: string, measure: Measure, series: WindowSeries, limit: number): Ask['query'] {
  const { from, to, every } = series
  return {
    dimensions: by,
    measures: [measure.name, ...titleMeasures(source, by)].join(','),
    order: `-${measure.name}`,
    limit,
    from,
    to,
    every,
    ...filterQuery(source),
  }
}

const PLACE: LinesInput['measures'][number] = { name: 'place', label: 'Place', zero: false, written: null }

function linesOf(source: Source, by: string, { data, meta }: Answer, { measure, series, as }: Shown): LinesInput {
  const rows = [...Map.groupBy(data, ({ window_end }) => String(window_end))].flatMap(([time, window]) =>
    window.map((row, at): Row => ({ ...row, time, place: at + 1 })),
  )
  const value = { name: measure.name, label: labelOf(measure), written: measure }
  // What is not among the first of a window is not 0, unless everything is.
  const zero = isAdditive(measure) && source.view.rank === null
  return {
    ...{ rows, meta, by, lines: mostSeen(source, by, rows), grain: series.every, zone: HERE, compared: null },
    measures: [as === 'places' ? PLACE : { ...value, zero }],
    ...{ shape: 'lines', newest: null, places: as === 'places' },
  }
}

/** Those that were most often and furthest in front. */
function mostSeen(source: Source, by: string, rows: readonly Row[]): LinesInput['lines'] {
  const seen = new Map<Key, { label: string; weight: number }>()
  for (const row of rows) {
    const key = keyOf(row[by])
    const weight = (seen.get(key)?.weight ?? 0) + 1 / Number(row.place)
    seen.set(key, { label: nameOf(row, by, source), weight })
  }
  const largest = [...seen].toSorted(([, a], [, b]) => b.weight - a.weight).slice(0, LINES_MAX)
  return largest.map(([key, { label }]) => ({ key, label }))
}
