/** How far a batch run is, by the bytes that its views read. */
import type { CompiledDataset } from '#core/compiled.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { rowFiles } from '#storage/lake/typed-rows.ts'
import type { RunPlan, ViewPlan } from './plan-run.ts'

export interface BatchProgress {
  /** the view or dictionary being written */
  readonly name: string
  /** views and dictionaries that are written, and all of them */
  readonly done: number
  readonly total: number
  /** bytes of raw events and states that the finished views have read, and that all of them read */
  readonly bytesDone: number
  readonly bytesTotal: number
  /** until the views are written, ms, at the speed so far; null before the first view is */
  readonly leftMs: number | null
}

/** what a view costs beside its bytes */
const VIEW_BYTES_MIN = 1_000

export class RunProgress {
  readonly #bytes: readonly number[]
  readonly #total: number
  readonly #clock: () => number
  readonly #startedMs: number

  /** @param clock monotonic, ms */
  constructor(
    dataset: Pick<CompiledDataset, 'columns' | 'dictionaries'>,
    plan: Pick<RunPlan, 'views' | 'all'>,
    clock: () => number = () => performance.now(),
  ) {
    const raw = sumBytes(rowFiles(dataset, plan.all))
    this.#bytes = [...plan.views.values()].map((view) => bytesOf(view, raw))
    this.#total = plan.views.size + dataset.dictionaries.length
    this.#clock = clock
    this.#startedMs = clock()
  }

  /** @param done number of the views and dictionaries that are written, in their order */
  at(name: string, done: number): BatchProgress {
    const [bytesDone, bytesTotal] = [sum(this.#bytes.slice(0, done)), sum(this.#bytes)]
    const tookMs = this.#clock() - this.#startedMs
    const leftMs = bytesDone === 0 ? null : Math.round((tookMs * (bytesTotal - bytesDone)) / bytesDone)
    return { name, done, total: this.#total, bytesDone, bytesTotal, leftMs }
  }
}

function bytesOf(view: ViewPlan, raw: number): number {
  if (view.kind === 'recount') return raw + sumBytes(view.kept) + VIEW_BYTES_MIN
  return view.added.length === 0 ? 0 : sumBytes(view.added) + VIEW_BYTES_MIN
}

function sumBytes(files: readonly LakeFile[]): number {
  return sum(files.map(({ bytes }) => bytes))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
