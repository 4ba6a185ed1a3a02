/** Whether this process can serve queries, for /readyz: takes a snapshot of each dataset as a query would. */

import type { Snapshot } from '#serving/answers/snapshot.ts'
import type { ServedPart } from '#serving/http/site/health-routes.ts'

/** probes are frequent and can come from several places */
const LOOK_AGAIN_MS = 1_000
/** a dataset that takes longer is not ready */
export const LOOK_MS_MAX = 3_000

/** A dataset whose queries are answered here. */
export interface ProbedDataset {
  readonly name: string
  /** of the moment that a query would be answered from. @throws why it cannot be answered */
  snapshot(): Promise<Pick<Snapshot, 'generation' | 'partitions'>>
  /** why views could not be answered when they were last asked for, by name */
  readonly failing?: ReadonlyMap<string, string>
}

export interface AnswerProbeOptions {
  readonly lookAgainMs?: number
  readonly lookMsMax?: number
}

export class AnswerProbe {
  readonly #datasets: readonly ProbedDataset[]
  readonly #options: Required<AnswerProbeOptions>
  #looked: { readonly atMs: number; readonly parts: Promise<readonly ServedPart[]> } | null = null

  constructor(datasets: readonly ProbedDataset[], options: AnswerProbeOptions = {}) {
    this.#datasets = datasets
    this.#options = { lookAgainMs: LOOK_AGAIN_MS, lookMsMax: LOOK_MS_MAX, ...options }
  }

  /** One component per dataset; never rejects, and takes at most lookMsMax milliseconds. */
  look(): Promise<readonly ServedPart[]> {
    const nowMs = performance.now()
    if (this.#looked !== null && nowMs - this.#looked.atMs < this.#options.lookAgainMs) return this.#looked.parts
    const parts = Promise.all(this.#datasets.map((dataset) => this.#lookAt(dataset)))
    this.#looked = { atMs: nowMs, parts }
    return parts
  }

  async #lookAt(dataset: ProbedDataset): Promise<ServedPart> {
    const { lookMsMax } = this.#options
    const name = `answers of ${dataset.name}`
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no snapshot within ${lookMsMax} ms`)), lookMsMax)
    })
    try {
      const { partitions, generation } = await Promise.race([dataset.snapshot(), late])
      const behind = partitions.reduce<number | null>((sum, one) => addKnown(sum, one.behind), 0)
      const lag =
        behind === null ? 'the log is unavailable, so the lag is not known' : `${behind} events behind the log`
      const detail = `generation ${generation?.id ?? 'none'}, ${lag}${failingText(dataset.failing)}`
      return { name, ready: true, state: 'running', detail }
    } catch (error) {
      return { name, ready: false, state: 'failing', detail: (error as Error).message }
    } finally {
      clearTimeout(timer)
    }
  }
}

function addKnown(sum: number | null, more: number | null): number | null {
  return sum === null || more === null ? null : sum + more
}

/** Other views still work, so the process stays ready. */
function failingText(failing: ReadonlyMap<string, string> = new Map()): string {
  return [...failing]
    .map(([view, why]) => `; view '${view}' could not be answered when last asked for: ${why}`)
    .join('')
}
