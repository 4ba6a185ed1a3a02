/** A drawn chart. Drawing costs far more than comparing, so only the parts of an option that changed are drawn again. */
import type { ECharts, EChartsCoreOption } from 'echarts/core'
import { type Colours, colours } from './colours.ts'
import { type Followable, type Stop, stopAfter, stopsOf } from './stops.ts'

export type BuildChart = (colours: Colours) => EChartsCoreOption

export interface Uses {
  readonly onZoom?: (fromMs: number, toMs: number) => void
  readonly onPick?: (name: string) => void
}

/** a coloured dot in a text on the canvas */
const MARKER = /\{[^|{}]*\|[^}]*\}\s*/g

export class Drawing {
  readonly #drawn: ECharts
  readonly #place: HTMLElement
  readonly #uses: { readonly current: Uses }
  readonly #watch: ResizeObserver
  /** of each part of the option, as text */
  #shown: Readonly<Record<string, string>> = {}
  #formatter: unknown = null
  #option: EChartsCoreOption = {}
  /** where arrow keys have led to */
  #stop: Stop | null = null
  #said = ''
  /** a place that is not laid out has no size, and a map cannot be fitted into nothing */
  #waiting: BuildChart | null = null

  constructor(drawn: ECharts, place: HTMLElement, uses: { readonly current: Uses }) {
    this.#drawn = drawn
    this.#place = place
    this.#uses = uses
    this.#watch = new ResizeObserver(() => this.#fit())
    this.#watch.observe(place)
    drawn.on('click', (event) => {
      if (typeof event.name === 'string') uses.current.onPick?.(event.name)
    })
    drawn.on('brushEnd', (event) => {
      const [area] = (event as { areas?: { coordRange?: [number, number] }[] }).areas ?? []
      if (area?.coordRange === undefined) return
      drawn.dispatchAction({ type: 'brush', areas: [] })
      uses.current.onZoom?.(...area.coordRange)
    })
  }

  draw(chart: BuildChart): void {
    this.#waiting = this.#hasSize() ? null : chart
    if (this.#waiting !== null) return
    const option: EChartsCoreOption = { animation: false, ...this.#withLatestFormatter(chart(colours())) }
    this.#option = option
    const texts = Object.fromEntries(Object.entries(option).map(([part, value]) => [part, JSON.stringify(value) ?? '']))
    const changed = Object.keys(option).filter((part) => texts[part] !== this.#shown[part])
    if (changed.length === 0) return
    const isFirst = Object.keys(this.#shown).length === 0
    const others = !isFirst && idsOf(texts.series) !== idsOf(this.#shown.series)
    this.#shown = texts
    const parts = Object.fromEntries(changed.map((part) => [part, option[part]]))
    this.#drawn.setOption(parts, others ? { replaceMerge: ['series'] } : undefined)
    if (isFirst) this.#brush()
  }

  /** Shows what is said of the value so many steps from the one before. @returns the same as plain text */
  point(steps: number): string {
    this.#stop = stopAfter(stopsOf(this.#option as Followable), this.#stop?.key ?? null, steps)
    if (this.#stop === null) return ''
    const { seriesIndex, dataIndex } = this.#stop
    this.#drawn.dispatchAction({ type: 'showTip', seriesIndex, dataIndex })
    return this.#said.replace(MARKER, '')
  }

  /** As a click on the value that arrow keys have led to. */
  pick(): void {
    if (this.#stop?.name != null) this.#uses.current.onPick?.(this.#stop.name)
  }

  /** Says nothing any more. */
  leave(): void {
    this.#drawn.dispatchAction({ type: 'hideTip' })
  }

  close(): void {
    this.#watch.disconnect()
    this.#drawn.dispose()
  }

  /** Where only the provenance changed nothing is drawn, but it is said. */
  #withLatestFormatter(option: EChartsCoreOption): EChartsCoreOption {
    const tooltip = option.tooltip as { readonly formatter?: unknown } | undefined
    if (typeof tooltip?.formatter !== 'function') return option
    this.#formatter = tooltip.formatter
    const formatter = (given: unknown): string => {
      this.#said = (this.#formatter as (given: unknown) => string)(given)
      return this.#said
    }
    return { ...option, tooltip: { ...tooltip, formatter } }
  }

  #brush(): void {
    if (this.#uses.current.onZoom === undefined) return
    const brushOption = { brushType: 'lineX', brushMode: 'single' }
    this.#drawn.dispatchAction({ type: 'takeGlobalCursor', key: 'brush', brushOption })
  }

  #fit(): void {
    if (!this.#hasSize()) return
    const { clientWidth, clientHeight } = this.#place
    if (this.#drawn.getWidth() !== clientWidth || this.#drawn.getHeight() !== clientHeight) this.#drawn.resize()
    if (this.#waiting !== null) this.draw(this.#waiting)
  }

  #hasSize(): boolean {
    return this.#place.clientWidth > 0 && this.#place.clientHeight > 0
  }
}

/** Series with the same ids are changed; others replace them. */
function idsOf(series: string | undefined): string {
  const all = JSON.parse(series || '[]') as readonly { readonly id?: string; readonly type?: string }[]
  return JSON.stringify(all.map(({ id, type }) => [id, type]))
}
