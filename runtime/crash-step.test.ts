import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { noSteps } from '#core/steps.ts'
import { crashStep } from './crash-step.ts'

const module = new URL('./crash-step.ts', import.meta.url).href

function run(crashAt: string, thread: 'main' | 'worker'): { signal: string | null; stdout: string } {
  const body = `import { crashStep } from ${JSON.stringify(module)}
    const step = crashStep(process.env)
    for (let i = 1; i <= 3; i++) { process.stdout.write(String(i)); await step('flush:before'); await step('flush:written') }`
  const worker = `import { Worker } from 'node:worker_threads'
    new Worker(new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(
      body.replace('process.stdout.write(String(i))', "(await import('node:fs')).writeSync(1, String(i))"),
    )})))`
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', thread === 'main' ? body : worker], {
    env: { ...process.env, WATERSHED_CRASH_AT: crashAt },
    encoding: 'utf8',
  })
  return { signal: result.signal, stdout: result.stdout }
}

test.each(['main', 'worker'] as const)('kills the process the nth time it comes to the step (%s thread)', (thread) => {
  expect(run('flush:written:2', thread)).toEqual({ signal: 'SIGKILL', stdout: '12' })
})

test('does nothing when the variable is not set, and refuses a step that does not exist', () => {
  expect(crashStep({})).toBe(noSteps)
  expect(() => crashStep({ WATERSHED_CRASH_AT: 'flush:befor' })).toThrow(/did you mean 'flush:before'/)
})
