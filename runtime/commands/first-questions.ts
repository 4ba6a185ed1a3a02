/** Suggestions printed after `watershed start`. */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { hasWindow } from '#core/view-time.ts'
import { SHIPPED_DATASETS } from '#datasets/shipped.ts'

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
  const question = dataset && firstQuestionOf(dataset)
  const curl = (path: string): string =>
    `curl -s${keyed ? " -H 'Authorization: Bearer <key>'" : ''} '${address}${path}'`
  const lines = [
    ['ask', question && curl(`/v1/datasets/${dataset.name}/views/${question}`)],
    ['', dataset && curl('/v1/datasets')],
    ['health', curl('/readyz')],
    ['data', data],
    ['stop', 'Ctrl-C'],
  ]
  return lines.flatMap(([head, text]) => (text ? [`  ${head!.padEnd(8)}${text}`] : [])).join('\n')
}

/** A view, and the parameters of a query. */
function firstQuestionOf(dataset: CompiledDataset): string | undefined {
  const shipped = Object.hasOwn(SHIPPED_DATASETS, dataset.name) ? SHIPPED_DATASETS[dataset.name] : undefined
  // A file can define another dataset of that name.
  if (shipped && dataset.views.has(shipped.firstQuestion.split('?')[0]!)) return shipped.firstQuestion
  const view = shownFirst(dataset)
  return view && `${view.name}?limit=3`
}

/** A ranking within a window says most. */
function shownFirst({ views }: CompiledDataset): CompiledView | undefined {
  const all = [...views.values()]
  return all.find((view) => hasWindow(view) && view.rank) ?? all.find((view) => view.rank) ?? all[0]
}
