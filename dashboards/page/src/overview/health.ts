/** How a dataset does, hop by hop: `GET /v1/datasets/{dataset}/health`. */

export type State = 'ok' | 'note' | 'attention'

export interface Hop {
  readonly hop: 'sources' | 'log' | 'stream' | 'lake' | 'generation' | 'verification' | 'answers'
  readonly state: State
  readonly message: string
  readonly advice: string | null
}

export interface Health {
  readonly dataset: string
  readonly at: string
  readonly state: State
  readonly hops: readonly Hop[]
  /** null, as `rows` and `lateRows`: answers cannot be given */
  readonly partitions:
    | readonly {
        readonly partition: number
        readonly logEnd: number | null
        readonly position: number
        readonly closedEnd: number
        readonly boundary: number
        readonly behind: number | null
      }[]
    | null
  readonly behind: number | null
  readonly freshnessMs: number | null
  readonly rates: {
    readonly overMs: number
    readonly appendedPerSecond: number | null
    readonly countedPerSecond: number | null
  } | null
  readonly rows: { readonly batch: number; readonly closed: number; readonly open: number } | null
  readonly lateRows: number | null
  readonly batch: {
    readonly generation: string
    readonly mode: string
    readonly finishedAt: string
    readonly ageMs: number
    readonly tookMs: number
  } | null
  readonly run: { readonly mode: string; readonly name: string; readonly done: number; readonly total: number } | null
  readonly verification: { readonly at: string; readonly equal: boolean; readonly generation: string | null } | null
  readonly unconverted: Readonly<Record<string, number>>
  readonly deadLetters: {
    /** null: not known */
    readonly total: number | null
    readonly reasons: readonly { readonly reason: string; readonly count: number; readonly newestAt: string }[] | null
  }
  readonly sources: readonly {
    readonly source: string
    readonly kind: string
    readonly state: string
    readonly reason: string | null
    readonly events: number
    readonly lagMs: number | null
  }[]
}

export interface AskedHealth {
  readonly path: string
}

export function healthPath(dataset: string): AskedHealth {
  return { path: `/v1/datasets/${encodeURIComponent(dataset)}/health` }
}
