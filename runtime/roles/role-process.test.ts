/** What the process of a role is like. Linux shows it in /proc. */
import { mkdtempSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { loadConfiguration } from '../settings/configuration.ts'
import type { Configuration } from '../settings/settings.ts'
import type { ProcessFacts } from './process-facts.fixture.ts'
import { RoleSupervisor } from './role-supervisor.ts'

let scratchFolder: string
beforeEach(() => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'watershed-process-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(scratchFolder, { recursive: true, force: true })
})

async function facts(configuration: Configuration): Promise<ProcessFacts> {
  const told = Promise.withResolvers<string>()
  const role = new RoleSupervisor({
    name: 'facts',
    module: new URL('./process-facts.fixture.ts', import.meta.url),
    runsIn: 'process',
    input: { configuration, scratchFolder, platformPid: process.pid, yields: 10 },
    emit: ({ message }) => told.resolve(message),
  })
  await role.start()
  await role.stop()
  return JSON.parse(await told.promise) as ProcessFacts
}

test.runIf(process.platform === 'linux')('every thread has a lower priority, those of the engine too', async () => {
  const { firstPriority, priorities } = await facts(await loadConfiguration({}))
  expect(priorities.length).toBeGreaterThan(8)
  const expected = Math.min(firstPriority + 10, constants.priority.PRIORITY_LOW)
  expect(priorities.filter((priority) => priority < expected)).toEqual([])
  expect(expected).toBeGreaterThan(firstPriority)
})

test.runIf(process.platform === 'linux')("it is started with this process's flags and without secrets", async () => {
  vi.stubEnv('WATERSHED_KEYS', 'secret-of-the-environment')
  vi.stubEnv('WATERSHED_PARTITIONS', '3')
  const flags = { 'elasticsearch.apiKey': 'secret-of-a-flag' }
  const { shown, flags: own } = await facts(await loadConfiguration({ environment: process.env, flags }))
  expect(shown.join()).toContain('WATERSHED_PARTITIONS=3')
  expect(shown.join()).not.toContain('secret-of')
  expect(own).toEqual(process.execArgv)
  expect(own).toContain('--disable-warning=TimeoutNegativeWarning')
})
