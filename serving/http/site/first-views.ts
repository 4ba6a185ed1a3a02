/** The views that the page of a dataset asks for when it is opened. */
import type { CompiledDataset } from '#core/compiled.ts'

/** as many panels as a large window shows at first */
const FIRST_PANELS = 8

/** Names of views, each once, in the order of the panels. */
export function firstViews({ dashboard, series, groupings }: CompiledDataset): ReadonlySet<string> {
  const shown = dashboard.panels.slice(0, FIRST_PANELS).flatMap(({ view }) => (view === null ? [] : [view]))
  return new Set(shown.map((name) => series.get(name)?.over.name ?? groupings.get(name)?.over.name ?? name))
}
