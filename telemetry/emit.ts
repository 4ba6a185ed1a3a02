/** One object per thing of interest that happened; whoever wires a role decides what becomes of it (log line, metric, message to another thread). */
export interface PlatformEvent {
  /** stable, kebab-case: segment-closed, flush-written, generation-published, dead-letters, batch-failed … */
  readonly name: string
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** a sentence for people that says what happened, where, and what to do next if anything */
  readonly message: string
  readonly dataset?: string
  /** numbers and texts that become log fields; structured-cloneable */
  readonly fields?: Readonly<Record<string, string | number | boolean | null>>
}

export type Emit = (event: PlatformEvent) => void

/** Drops everything: for tests and one-off tools. */
export const silent: Emit = () => {}
