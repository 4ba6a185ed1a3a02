import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './tests/longest-first.ts'

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'data/**', 'watershed-data/**'],
    pool: 'forks',
    // As in the start script: kafkajs waits for a time of before.
    execArgv: ['--disable-warning=TimeoutNegativeWarning'],
    // For the processes that tests start, as in the launcher.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/compiled') },
    // Servers that start, die and are waited for leave much of two cores idle.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    globalSetup: ['tests/servers/elasticsearch-pool.ts', 'tests/servers/trino-pool.ts'],
    setupFiles: ['tests/response-checks.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
  },
})
