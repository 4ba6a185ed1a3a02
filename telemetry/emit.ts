/** Platform events: one object per event; the wiring of a role decides whether it becomes a log line, a metric or a message to another thread. */
export interface PlatformEvent {
  /** stable, kebab-case: segment-closed, flush-written, generation-published, dead-letters, batch-failed … */
  readonly name: string
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** what happened, where, and what to do about it, if anything */
  readonly message: string
  readonly dataset?: string
  /** values that become log fields; structured-cloneable */
  readonly fields?: Readonly<Record<string, string | number | boolean | null>>
}

export type Emit = (event: PlatformEvent) => void

/** Drops everything: for tests and one-off tools. */
export const silent: Emit = () => {}
