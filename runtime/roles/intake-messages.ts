/** Messages between the main thread and the intake role's thread, on a port of their own. */
import type { BodyFormat } from '#core/body-format.ts'
import type { IntakeResult, OfferOptions } from '#ingest/intake.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'

/** What is offered to one dataset. */
export type OfferedContent =
  | { readonly body: Uint8Array<ArrayBuffer>; readonly format: BodyFormat }
  | { readonly rows: readonly string[] }

export interface OfferRequest {
  readonly id: number
  readonly dataset: string
  readonly content: OfferedContent
  readonly options: OfferOptions
  /** of a body that is to count once; its fingerprint is taken in the thread */
  readonly key?: string
}

export type FromIntake =
  | { readonly type: 'taken'; readonly id: number; readonly result: IntakeResult }
  /** class and own fields of an error do not survive the way; its name says which it is */
  | { readonly type: 'refused'; readonly id: number; readonly name: string; readonly message: string }
  /** sent before the reply to the offer that it is about */
  | { readonly type: 'event'; readonly event: PlatformEvent }
