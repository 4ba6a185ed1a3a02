/** An embedded platform loads no library of a service: they are imported only where their driver is chosen. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = resolve(fileURLToPath(import.meta.url), '../../..')
const SERVICES = [
  '@aws-sdk/client-s3',
  'kafkajs',
  '@elastic/elasticsearch',
  'ioredis',
  'bullmq',
  '@bull-board/api',
  '@bull-board/fastify',
]
/** `import … from 'x'` and `export … from 'x'`, but neither `import type` nor `import('x')` */
const STATIC = /^(?:import|export)\s+(?!type\b)[^;'"]*?from\s+'([^']+)'|^import\s+'([^']+)'/gms

/** What is loaded with a module: our files by path, packages by name. */
function loadedWith(entries: readonly string[]): {
  readonly files: Set<string>
  readonly packages: Map<string, string>
} {
  const files = new Set<string>()
  const packages = new Map<string, string>()
  const waiting = entries.map((entry) => join(root, entry))
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file) || !file.endsWith('.ts')) continue
    files.add(file)
    for (const [, from, bare] of readFileSync(file, 'utf8').matchAll(STATIC)) {
      const specifier = (from ?? bare)!
      if (specifier.startsWith('.')) waiting.push(resolve(dirname(file), specifier))
      else if (specifier.startsWith('#')) waiting.push(join(root, specifier.slice(1)))
      else packages.set(specifier, file)
    }
  }
  return { files, packages }
}

test('nothing that starts loads the library of a service', () => {
  const threads = ['intake', 'stream', 'batch', 'present'].map((role) => `runtime/roles/${role}-thread.ts`)
  const commands = readdirSync(join(root, 'runtime/commands'))
    .filter((name) => name.endsWith('-command.ts'))
    .map((name) => `runtime/commands/${name}`)
  expect(commands.length).toBeGreaterThan(10)
  const { files, packages } = loadedWith(['runtime/main.ts', 'runtime/roles/platform.ts', ...commands, ...threads])
  expect(files.size).toBeGreaterThan(100)
  expect([...files].filter((file) => !existsSync(file))).toEqual([])
  expect([...packages.keys()]).toContain('fastify')
  expect(SERVICES.filter((name) => packages.has(name)).map((name) => [name, packages.get(name)])).toEqual([])
})

test('the drivers do load them: the search above would find one', () => {
  const { packages } = loadedWith([
    'storage/lake/s3/s3-lake.ts',
    'storage/log/kafka/kafka-log.ts',
    'storage/speed-store/elasticsearch/elasticsearch-speed-store.ts',
    'storage/dictionary/redis/redis-dictionary.ts',
    'batch-layer/bullmq-schedule.ts',
    'serving/http/operations/job-board.ts',
  ])
  expect(SERVICES.filter((name) => !packages.has(name))).toEqual([])
})
