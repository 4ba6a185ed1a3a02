/** What is known of a dataset at one moment; null: it could not be read. */
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import type { RunRecord } from '#storage/lake/run-record.ts'
import type { VerificationRecord } from '#storage/lake/verification-record.ts'
import type { Marker } from '#storage/speed-store/speed-store.ts'
import type { Snapshot } from '../answers/snapshot.ts'
import type { CountedReason } from '../dead-letters/dead-letter-reasons.ts'
import type { EventRates } from './event-rates.ts'

/** What could be read, or why not. */
export type Read<T> = { readonly value: T } | { readonly fault: string }

/** A source as far as its hop depends on it. */
export interface SourceFacts {
  readonly source: string
  readonly state: string
  readonly reason: string | null
}

export interface HealthFacts {
  readonly dataset: string
  readonly nowMs: number
  readonly sources: readonly SourceFacts[]
  /** how many generated events a second this process sends; null: none */
  readonly demoEventsPerSecond?: number | null
  readonly snapshot: Read<Snapshot>
  readonly markers: Read<ReadonlyMap<number, Marker>>
  readonly chains: Read<readonly SegmentChain[]>
  readonly generation: Read<GenerationManifest | null>
  readonly run: Read<RunRecord | null>
  readonly verification: Read<VerificationRecord | null>
  readonly reasons: Read<readonly CountedReason[]>
  readonly rates: EventRates
}

export async function read<T>(reading: () => Promise<T>): Promise<Read<T>> {
  try {
    return { value: await reading() }
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) }
  }
}

export function known<T>(fact: Read<T>): T | null {
  return 'value' in fact ? fact.value : null
}
