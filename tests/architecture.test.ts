/** The folders are the stages of the data; this holds the allowed imports of docs/architecture.md against the code. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = resolve(fileURLToPath(import.meta.url), '../..')

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: ['core'],
  telemetry: ['telemetry', 'core'],
  storage: ['storage', 'core'],
  ingest: ['ingest', 'core', 'storage', 'telemetry'],
  'speed-layer': ['speed-layer', 'core', 'storage', 'telemetry'],
  'batch-layer': ['batch-layer', 'core', 'storage', 'telemetry'],
  serving: ['serving', 'core', 'storage', 'telemetry'],
  verification: ['verification', 'core', 'storage', 'telemetry'],
  datasets: ['datasets', 'core'],
}

/** Packages that only the named folders may use: no client type outside its driver. */
const DRIVERS_ONLY: Readonly<Record<string, readonly string[]>> = {
  '@duckdb/node-api': ['storage/engine'],
  '@duckdb/node-bindings': ['storage/engine'],
  'node:sqlite': ['storage', 'bench', 'tests'],
  'node-cron': ['batch-layer'],
  ioredis: ['storage/redis', 'storage/dictionary', 'batch-layer', 'tests'],
  bullmq: ['batch-layer', 'serving/http/operations/job-board.ts'],
  kafkajs: ['storage/log'],
  '@aws-sdk/client-s3': ['storage/lake/s3'],
  '@aws-sdk/lib-storage': ['storage/lake/s3'],
  '@elastic/elasticsearch': ['storage/elasticsearch', 'bench'],
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
}

function imports(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!)
}

/** The file of ours that is meant; null for packages. */
function fileOf(file: string, specifier: string): string | null {
  if (specifier.startsWith('#')) return specifier.slice(1)
  if (specifier.startsWith('.')) return relative(root, resolve(root, file, '..', specifier))
  return null
}

function folderOf(file: string, specifier: string): string | null {
  return fileOf(file, specifier)?.split('/')[0] ?? null
}

type Graph = ReadonlyMap<string, Iterable<string>>

function reachable(graph: Graph, from: string): Set<string> {
  const found = new Set(graph.get(from))
  for (const next of found) for (const further of graph.get(next) ?? []) found.add(further)
  return found
}

/** Those that reach themselves, each with those of its neighbours that lead back to it. */
function circles(graph: Graph): Record<string, string[]> {
  const around = new Map([...graph.keys()].map((one) => [one, reachable(graph, one)]))
  const circular = [...around].filter(([one, found]) => found.has(one))
  const within = (one: string): string[] => [...graph.get(one)!].filter((next) => around.get(next)?.has(one))
  return Object.fromEntries(circular.map(([one]) => [one, within(one)]))
}

describe('imports', () => {
  test.each(Object.keys(ALLOWED))('%s imports only what its stage may', (folder) => {
    const files = sources(folder).filter((file) => !file.endsWith('.test.ts'))
    expect(files.length).toBeGreaterThan(0)
    const wrong = files.flatMap((file) =>
      imports(file)
        .map((specifier) => ({ file, specifier, target: folderOf(file, specifier) }))
        .filter(({ target }) => target !== null && !ALLOWED[folder]!.includes(target)),
    )
    expect(wrong).toEqual([])
  })

  test.each(Object.keys(DRIVERS_ONLY))('%s stays inside its driver', (name) => {
    const all = [
      'core',
      'telemetry',
      'storage',
      'ingest',
      'speed-layer',
      'batch-layer',
      'serving',
      'verification',
      'datasets',
      'runtime',
    ]
    const wrong = all
      .flatMap(sources)
      .filter((file) => !file.endsWith('.test.ts') && imports(file).includes(name))
      .filter((file) => !DRIVERS_ONLY[name]!.some((folder) => `${file}/`.startsWith(`${folder}/`)))
    expect(wrong).toEqual([])
  })

  test('no file imports itself in a circle, not even for types', () => {
    const files = [...Object.keys(ALLOWED), 'runtime', 'dashboards', 'tests', 'bench'].flatMap(sources)
    const targets = (file: string): string[] => imports(file).flatMap((specifier) => fileOf(file, specifier) ?? [])
    expect(circles(new Map(files.map((file) => [file, targets(file)])))).toEqual({})
  })

  test('a circle is found wherever it is', () => {
    const graph = { a: ['b', 'c'], b: ['b', 'c'], c: [], d: ['a', 'e'], e: ['f'], f: ['d', 'a'] }
    expect(circles(new Map(Object.entries(graph)))).toEqual({ b: ['b'], d: ['e'], e: ['f'], f: ['d'] })
  })

  test('no module of a folder imports itself in a circle across folders', () => {
    const edges = new Map<string, Set<string>>()
    for (const folder of Object.keys(ALLOWED)) {
      const targets = sources(folder)
        .filter((file) => !file.endsWith('.test.ts'))
        .flatMap((file) => imports(file).map((specifier) => folderOf(file, specifier)))
      edges.set(folder, new Set(targets.filter((target): target is string => target !== null && target !== folder)))
    }
    expect(circles(edges)).toEqual({})
  })
})
