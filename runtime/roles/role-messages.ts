/** What the main thread and a role's thread say to each other. Everything is structured-cloneable. */
import type { PlatformEvent } from '#telemetry/emit.ts'
import type { Configuration } from '../settings/settings.ts'

/** What a role's thread is started with. */
export interface RoleInput {
  readonly configuration: Configuration
  /** of this role alone; exists */
  readonly scratchFolder: string
}

export type ToRole = { readonly type: 'stop' }

export type FromRole =
  | { readonly type: 'started' }
  /** the last message: it ended as it was told, or after a fault that nothing caught */
  | { readonly type: 'stopped' }
  | { readonly type: 'fault'; readonly message: string; readonly stack: string }
  | { readonly type: 'event'; readonly event: PlatformEvent }
  | { readonly type: 'status'; readonly parts: readonly PartStatus[] }

export const PART_STATES = {
  starting: { ready: false },
  running: { ready: true },
  /** nothing is due */
  idle: { ready: true },
  /** another process does the work */
  locked: { ready: true },
  /** a fault; it is tried again by itself */
  retrying: { ready: false },
  failing: { ready: false },
  /** a person must act */
  refused: { ready: false },
  stopped: { ready: false },
} as const satisfies Record<string, { readonly ready: boolean }>

export type PartState = keyof typeof PART_STATES

/** The state of one part of a role, in words for people and programs. */
export interface PartStatus {
  /** e.g. stream of meetup_rsvps, partition 2 */
  readonly name: string
  readonly dataset: string | null
  readonly state: PartState
  readonly fault: string | null
  readonly numbers: Readonly<Record<string, number | string | null>>
}
