/** Linux shows the priorities of threads in /proc. */
import { spawnSync } from 'node:child_process'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

interface ThreadFacts {
  readonly name: string
  readonly isMain: boolean
  readonly priority: number
}

test.runIf(process.platform === 'linux')('threads of engines yield to the main thread, and no others do', () => {
  const { stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'pool-priorities.fixture.ts')], {
    encoding: 'utf8',
    env: { ...process.env, UV_THREADPOOL_SIZE: '4' },
  })
  expect(stderr).toBe('')
  const threads = JSON.parse(stdout) as ThreadFacts[]
  const own = getPriority()
  const lowered = threads.filter(({ priority }) => priority === Math.min(own + 3, 19))
  expect(threads.find(({ isMain }) => isMain)!.priority).toBe(own)
  expect(new Set(lowered.map(({ name }) => name))).toEqual(new Set(['libuv-worker']))
  // The pool's own four, and at least two that the engine has started: one of its three is the pool's that runs the statement.
  expect(lowered.length).toBeGreaterThanOrEqual(6)
  expect(threads.filter(({ priority }) => priority === own).length).toBe(threads.length - lowered.length)
})
