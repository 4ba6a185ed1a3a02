import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { noSteps } from '#core/steps.ts'
import { crashStep } from './crash-step.ts'

const module = new URL('./crash-step.ts', import.meta.url).href

const BODY = `import { crashStep } from ${JSON.stringify(module)}
  import { writeSync } from 'node:fs'
  const step = crashStep(process.env, Number(process.argv[1] ?? process.pid))
  for (let i = 1; i <= 3; i++) { writeSync(1, String(i)); await step('flush:before'); await step('flush:written') }`

/** The thread or process in which a role comes to the steps. */
const PLACES = {
  'main thread': BODY,
  'worker thread': `import { Worker } from 'node:worker_threads'
    new Worker(new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(BODY)})))`,
  process: `import { spawn } from 'node:child_process'
    const words = ['--input-type=module', '-e', ${JSON.stringify(BODY)}, String(process.pid)]
    spawn(process.execPath, words, { stdio: 'inherit' })`,
} as const

function run(crashAt: string, place: keyof typeof PLACES): { signal: string | null; stdout: string } {
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', PLACES[place]], {
    env: { ...process.env, WATERSHED_CRASH_AT: crashAt },
    encoding: 'utf8',
  })
  return { signal: result.signal, stdout: result.stdout }
}

test.each(['main thread', 'worker thread', 'process'] as const)(
  'kills the platform the nth time that a role comes to the step (%s)',
  (place) => {
    expect(run('flush:written:2', place)).toEqual({ signal: 'SIGKILL', stdout: '12' })
  },
)

test('does nothing when the variable is not set, and refuses a step that does not exist', () => {
  expect(crashStep({})).toBe(noSteps)
  expect(() => crashStep({ WATERSHED_CRASH_AT: 'flush:befor' })).toThrow(/did you mean 'flush:before'/)
})
