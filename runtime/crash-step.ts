/** WATERSHED_CRASH_AT=<step>[:<nth>]: the platform is killed with SIGKILL at the nth occurrence of the step in one of its processes. For crash tests only. */
import { nearest } from '#core/definition-error.ts'
import { noSteps, STEPS, type StepHook, type StepName } from '#core/steps.ts'
import { ConfigurationError } from './settings/configuration-error.ts'

/**
 * The hook that the variable requests; each thread counts separately.
 * @param platformPid process of the platform: killed first, so that it cannot notice the end of the role's own process
 * @throws ConfigurationError if it does not name a step
 */
export function crashStep(
  environment: Readonly<Record<string, string | undefined>>,
  platformPid = process.pid,
): StepHook {
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
    for (const pid of new Set([platformPid, process.pid])) process.kill(pid, 'SIGKILL')
    // The signal may take a moment to arrive; nothing may run after it.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
}
