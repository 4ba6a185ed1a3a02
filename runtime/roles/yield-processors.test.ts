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

test.runIf(process.platform === 'linux')('only engine threads get a lower priority than the main thread', () => {
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
  // The pool's four threads, and at least two started by the engine; the third one is a thread of the pool that runs a statement.
  expect(lowered.length).toBeGreaterThanOrEqual(6)
  expect(threads.filter(({ priority }) => priority === own).length).toBe(threads.length - lowered.length)
})
