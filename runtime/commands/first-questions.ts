/** Suggestions printed after `watershed start`. */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { hasWindow } from '#core/view-time.ts'

export interface FirstQuestions {
  readonly address: string
  readonly data: string
  /** datasets that this process serves */
  readonly datasets: readonly CompiledDataset[]
  /** requests need an API key */
  readonly keyed: boolean
}

/** Lines for a terminal: where the data is, what to ask, how to stop. */
export function firstQuestions({ address, data, datasets, keyed }: FirstQuestions): string {
  const [dataset] = datasets
  const view = dataset && shownFirst(dataset)
  const curl = (path: string): string =>
    `curl -s${keyed ? " -H 'Authorization: Bearer <key>'" : ''} '${address}${path}'`
  const lines = [
    ['ask', view && curl(`/v1/datasets/${dataset.name}/views/${view.name}?limit=3`)],
    ['', dataset && curl('/v1/datasets')],
    ['health', curl('/readyz')],
    ['data', data],
    ['stop', 'Ctrl-C'],
  ]
  return lines.flatMap(([head, text]) => (text ? [`  ${head!.padEnd(8)}${text}`] : [])).join('\n')
}

/** A ranking within a window says most. */
function shownFirst({ views }: CompiledDataset): CompiledView | undefined {
  const all = [...views.values()]
  return all.find((view) => hasWindow(view) && view.rank) ?? all.find((view) => view.rank) ?? all[0]
}
