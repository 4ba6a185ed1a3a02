import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { leftOut } from './tests/files-by-day.ts'
import { LongestFirst } from './tests/longest-first.ts'

const OTHER_DAYS = leftOut(process.argv.slice(2))
// Each project reads this file again.
if (OTHER_DAYS.length > 0 && process.env.LEFT_OUT_IS_SAID !== '1') {
  process.env.LEFT_OUT_IS_SAID = '1'
  console.warn(`left out today, run within three days, or at once with TEST_ALL_DAYS=1:\n  ${OTHER_DAYS.join('\n  ')}`)
}
const LEFT_OUT = ['**/node_modules/**', 'data/**', 'watershed-data/**', ...OTHER_DAYS]
/** they start servers and processes, and kill them */
const APART = [
  '**/*.e2e.test.ts',
  'tests/**/*.test.ts',
  '**/{kafka,elasticsearch}/**/*.test.ts',
  '**/trino*/**/*.test.ts',
  '**/trino-*.test.ts',
]

export default defineConfig({
  test: {
    pool: 'forks',
    // As in the start script: kafkajs waits for a time of before.
    execArgv: ['--disable-warning=TimeoutNegativeWarning'],
    // For the processes that tests start, as in the launcher.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/compiled') },
    // Servers that start, die and are waited for leave much of two cores idle.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    globalSetup: ['tests/servers/elasticsearch-pool.ts', 'tests/servers/trino-pool.ts'],
    projects: [
      { extends: true, test: { name: 'apart', include: APART, exclude: LEFT_OUT } },
      // Files that start no process run one after the other in processes of their own, which import what they need once.
      {
        extends: true,
        test: { name: 'together', include: ['**/*.test.ts'], exclude: [...LEFT_OUT, ...APART], isolate: false },
      },
    ],
    setupFiles: ['tests/response-checks.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
  },
})
