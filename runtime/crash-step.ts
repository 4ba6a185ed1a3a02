/** WATERSHED_CRASH_AT=<step>[:<nth>]: the process kills itself with SIGKILL at the nth occurrence of the step. For crash tests only. */
import { nearest } from '#core/definition-error.ts'
import { noSteps, STEPS, type StepHook, type StepName } from '#core/steps.ts'
import { ConfigurationError } from './settings/configuration-error.ts'

/** The hook that the variable requests; each thread counts separately. @throws ConfigurationError if it does not name a step */
export function crashStep(environment: Readonly<Record<string, string | undefined>>): StepHook {
  const text = environment.WATERSHED_CRASH_AT
  if (text === undefined || text === '') return noSteps
  const [, name, nth] = /^(.*?)(?::(\d{1,9}))?$/.exec(text)!
  if (!(STEPS as readonly string[]).includes(name!)) {
    throw new ConfigurationError([
      `environment: WATERSHED_CRASH_AT names an unknown step '${name}'${nearest(name!, STEPS)}`,
    ])
  }
  let left = Number(nth ?? 1)
  return (step: StepName) => {
    if (step !== name || --left > 0) return
    process.kill(process.pid, 'SIGKILL')
    // The signal may take a moment to arrive; nothing may run after it.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
}
