/** What the serving thread asks the reader thread, which reads SQLite for it. Everything is structured-cloneable. */
import type { Offset, OffsetRange } from '#core/offsets.ts'
import type { ReadLimits, RecordBatch } from '#storage/log/event-log.ts'
import type { Marker } from '#storage/speed-store/speed-store.ts'

export type ReaderRequest =
  | { readonly ask: 'range'; readonly partition: number }
  | { readonly ask: 'read'; readonly partition: number; readonly from: Offset; readonly limits: ReadLimits }
  | { readonly ask: 'ends' }
  | { readonly ask: 'markers' }

export interface ReaderAnswers {
  readonly range: OffsetRange
  readonly read: RecordBatch | null
  readonly ends: readonly Offset[]
  readonly markers: ReadonlyMap<number, Marker>
}

export interface AskedReader {
  readonly id: number
  readonly dataset: string
  readonly request: ReaderRequest
}

export type ReaderReply = { readonly id: number } & ({ readonly answer: unknown } | { readonly fault: string })
