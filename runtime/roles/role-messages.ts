/** What a role and its supervisor say to each other. Everything is structured-cloneable. */
import type { MessagePort } from 'node:worker_threads'
import type { PlatformEvent } from '#telemetry/emit.ts'
import type { Configuration } from '../settings/settings.ts'

/** What a role is started with. */
export interface RoleInput {
  readonly configuration: Configuration
  /** of this role alone; exists */
  readonly scratchFolder: string
  /** the process of the platform that the role belongs to */
  readonly platformPid: number
  /** how many steps below the platform's the priority of the role's own process is */
  readonly yields: number
  /** to the platform's main thread, for a role that is linked with it; threads only */
  readonly port?: MessagePort
}

export type ToRole =
  /** the first message to a process; a thread is made with its input */
  { readonly type: 'start'; readonly input: RoleInput } | { readonly type: 'stop' }

export type FromRole =
  | { readonly type: 'started' }
  /** the last message: it ended as it was told, or after a fault that nothing caught */
  | { readonly type: 'stopped' }
  | RoleFault
  | { readonly type: 'event'; readonly event: PlatformEvent }
  | { readonly type: 'status'; readonly parts: readonly PartStatus[] }

/** An error as far as it says how a command ends: see end-of.ts. */
export interface RoleFault {
  readonly type: 'fault'
  readonly name: string
  readonly message: string
  readonly stack: string
  /** of the error or of its cause, e.g. ENOSPC */
  readonly code: string | undefined
}

export function roleFault(thrown: unknown): RoleFault {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  const { name, message, stack = '' } = error
  const { code } = error as NodeJS.ErrnoException
  return { type: 'fault', name, message, stack, code: code ?? (error.cause as NodeJS.ErrnoException | undefined)?.code }
}

/** The error that a fault tells of. */
export function errorOf({ name, message, stack, code }: RoleFault): Error {
  return Object.assign(new Error(message), { name, stack, ...(code === undefined ? {} : { code }) })
}

export const PART_STATES = {
  starting: { ready: false },
  running: { ready: true },
  /** nothing is due */
  idle: { ready: true },
  /** another process does the work */
  locked: { ready: true },
  elsewhere: { ready: true },
  /** until a known moment */
  waiting: { ready: true },
  /** by a person */
  paused: { ready: true },
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
  /** its faults are those of others: they do not make the platform unready */
  readonly isOutside?: boolean
}
