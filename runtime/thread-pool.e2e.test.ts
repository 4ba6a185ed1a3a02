/** The entry point sizes the thread pool before anything uses it. Linux names threads in /proc. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

/** The engine's allocator has threads in the background, which inherit the name of the pool's thread that began them. */
const ALLOCATOR_THREADS_MAX = 4

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-pool-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Threads of the pool in a process that answers queries. */
async function poolThreads(environment: Readonly<Record<string, string>>): Promise<number> {
  const { UV_THREADPOOL_SIZE: _, ...inherited } = process.env
  // With more than one, the engine has threads that inherit the pool's name.
  const words = ['serve', '--port', '0', '--json', '--data', folder, '--set', 'serveThreads=1']
  const child = spawn(process.execPath, [MAIN, ...words], {
    env: { ...inherited, ...environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const { process: pid } = JSON.parse(line) as { process: number }
    const names = readdirSync(`/proc/${pid}/task`).map((id) => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8'))
    return names.filter((name) => name === 'libuv-worker\n').length
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

test.runIf(process.platform === 'linux')('the pool has 16 threads, or as many as the environment says', async () => {
  const [own, given] = [await poolThreads({}), await poolThreads({ UV_THREADPOOL_SIZE: '5' })]
  expect([own - ALLOCATOR_THREADS_MAX <= 16, own >= 16]).toEqual([true, true])
  expect([given - ALLOCATOR_THREADS_MAX <= 5, given >= 5]).toEqual([true, true])
})
