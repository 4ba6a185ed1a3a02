/** The state of a source, for people and programs. */

export type SourceState =
  /** not read yet */
  | 'starting'
  /** connected: records may come at any time */
  | 'running'
  /** not connected on purpose, for example until the next poll */
  | 'waiting'
  | 'paused'
  /** another process runs it */
  | 'elsewhere'
  /** a fault; it is tried again by itself */
  | 'failing'
  /** a fault that only a person can mend; it is tried again, at long intervals */
  | 'refused'
  | 'stopped'

export interface SourceStatus {
  readonly dataset: string
  readonly source: string
  readonly kind: string
  readonly state: SourceState
  /** why it is in this state, where that is not plain; secrets are masked */
  readonly reason: string | null
  /** in the log, dead letters included, since the source was first read */
  readonly events: number
  /** dead letters because of the record's size are among them; rejected: not in the log */
  readonly rejected: number
  /** JSON text, shortened; null: nothing was stored yet */
  readonly cursor: string | null
  /** epoch ms of the newest append; null: none yet */
  readonly lastEventMs: number | null
  /** how old the newest record was when it was appended, by the other side's clock; null where that is not known */
  readonly lagMs: number | null
  readonly resumption: 'exact' | 'from-now'
}

const SHOWN_CURSOR_CHARS_MAX = 200

/** Long texts in a cursor are for machines. */
export function shownCursor(stored: string | null): string | null {
  if (stored === null) return null
  const text = JSON.stringify((JSON.parse(stored) as { at?: unknown }).at ?? null)
  const short = text.replace(/"[^"]{60,}"/g, '"…"')
  return short.length > SHOWN_CURSOR_CHARS_MAX ? `${short.slice(0, SHOWN_CURSOR_CHARS_MAX)}…` : short
}
