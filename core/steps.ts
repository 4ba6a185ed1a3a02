/**
 * Named steps of the protocol. Production code awaits `step(name)` between two effects; by default this does nothing.
 * The deterministic simulation replaces it to interleave actors and to crash between any two steps. The crash tests set
 * WATERSHED_CRASH_AT=<step>[:<nth>], which makes the real process kill itself with SIGKILL at that step.
 */
export const STEPS = [
  'append:before-commit',
  'append:committed',
  'flush:before',
  'flush:written',
  'segment:parquet-written',
  'segment:files-linked',
  'segment:before-manifest',
  'segment:manifest-linked',
  'batch:files-written',
  'generation:published',
  'generation:before-current',
  'generation:current-swapped',
  'compact:committed',
] as const

export type StepName = (typeof STEPS)[number]
export type StepHook = (name: StepName) => void | Promise<void>

/** Does nothing: the default in production. */
export const noSteps: StepHook = () => {}
