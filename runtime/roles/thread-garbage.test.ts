/** A thread whose heap stays small collects by the clock: otherwise it keeps what has died until V8 finds it worth while. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfiguration } from '../settings/configuration.ts'

/** Runs before the thread's module, and tells of what the module does again and again. */
const TELLS_INTERVALS = `
  import { parentPort } from 'node:worker_threads'
  const { setInterval } = globalThis
  globalThis.setInterval = (work, everyMs) => {
    parentPort.postMessage({ everyMs })
    return setInterval(work, everyMs)
  }`

let data: string
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'watershed-thread-'))
})
afterEach(() => rmSync(data, { recursive: true, force: true }))

test.each(['reader-thread.ts', 'idle-role.fixture.ts'])('%s collects once a minute', async (module) => {
  const configuration = await loadConfiguration({ flags: { data } })
  const execArgv = ['--import', `data:text/javascript,${encodeURIComponent(TELLS_INTERVALS)}`]
  const worker = new Worker(new URL(module, import.meta.url), { workerData: { configuration }, execArgv })
  const [message] = (await once(worker, 'message')) as [unknown]
  await worker.terminate()
  expect(message).toEqual({ everyMs: 60_000 })
})
