/** Opens a lake and counts the calls of the file system that each step takes. Prints them as JSON. */
import files, { promises as fs } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import type { TablesOptions } from '#batch-layer/tables-options.ts'
import type { ServedDataset } from '#serving/answers/snapshot.ts'
import { emptyGeneration, emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { until } from './until.ts'

const [folder = '', partitions = ''] = process.argv.slice(2)
const counts = { reads: 0, bytes: 0, listings: 0, others: 0 }

const ignored = (): void => {}
type Call = (...given: unknown[]) => unknown
/** Listings of folders call the functions that take a callback, and ask here when a folder was modified. */
const withCallback = files as unknown as Record<string, Call>
for (const name of ['stat', 'statSync', 'readdir']) {
  const original = withCallback[name]!
  withCallback[name] = (...given) => {
    counts[name === 'readdir' ? 'listings' : 'others']++
    return original(...given)
  }
}
const calls = fs as unknown as Record<string, Call>
for (const name of ['readFile', 'readdir', 'stat', 'open', 'mkdir', 'link', 'rename', 'unlink', 'rm', 'access']) {
  const original = calls[name]!
  calls[name] = (...given) => {
    counts[name === 'readFile' ? 'reads' : name === 'readdir' ? 'listings' : 'others']++
    const called = original(...given)
    if (name === 'readFile')
      void (called as Promise<string>).then(({ length }) => {
        counts.bytes += length
      }, ignored)
    return called
  }
}
syncBuiltinESMExports()

const { compactSegments } = await import('#batch-layer/compact.ts')
const { groupsWithin } = await import('#verification/slice.ts')
const { known } = await import('#serving/health/health-facts.ts')
const { DatasetHealth } = await import('#serving/health/dataset-health.ts')
const { followWithTables } = await import('#batch-layer/open-tables.ts')
const { DuckDbEngine } = await import('#storage/engine/duckdb-engine.ts')
const { MemorySpeedStore } = await import('#storage/speed-store/memory/memory-speed-store.ts')
const { LocalLake } = await import('#storage/lake/local/local-lake.ts')
const steps: Record<string, typeof counts> = {}

async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  Object.assign(counts, { reads: 0, bytes: 0, listings: 0, others: 0 })
  const done = await work()
  steps[name] = { ...counts }
  return done
}

const [writer, reader] = [
  await LocalLake.open({ folder, dataset: 'rsvps' }),
  await LocalLake.open({ folder, dataset: 'rsvps' }),
]
// As every role that has a generation asks.
const after = Array.from({ length: Number(partitions) }, () => Number.MAX_SAFE_INTEGER)
const look = () => reader.chains(Number(partitions), { after })
const [chain] = await step('start', look)
await until('the listing is settled, some time after the folder changed', async () => {
  const before = counts.listings
  await look()
  return counts.listings === before
})
// The folders below are looked at now and then, however short the time between two looks is.
await until('another look takes one call', async () => {
  await step('look', look)
  return counts.others === 1 && counts.listings === 0
})
const { end } = chain!
await step('commit', () => writer.commitSegment(emptySegment(0, end, end + 10)))
await step('after', look)
const boundary = Array.from({ length: Number(partitions) }, () => end)
await step('clean', async () => {
  await writer.sweepOrphans(3_600_000, { thorough: false })
  await writer.removeReplaced(boundary, 5_000, { thorough: false })
  await writer.checkpoint(boundary, { thorough: false })
})
const served = {
  dataset: { name: 'rsvps', views: new Map() },
  lake: await LocalLake.open({ folder, dataset: 'rsvps' }),
  store: new MemorySpeedStore(),
  partitions: Number(partitions),
} as unknown as ServedDataset
const { chains, generation, snapshot, reasons } = await step('health', () =>
  new DatasetHealth(served).facts({ sources: [] }),
)
for (const fact of [chains, generation, snapshot, reasons]) if ('fault' in fact) throw new Error(fact.fault)
await step('everything', () => writer.chains(Number(partitions)))
const other = await LocalLake.open({ folder, dataset: 'rsvps' })
const slice = groupsWithin({ views: new Map(), schemaHash: 'schema-1' }, { fromMs: 40, beforeMs: 60 })
const outlined = await step('slice', () => other.outline(Number(partitions), slice))
const found = outlined.flatMap(({ groups }) => groups.flatMap(({ segments }) => segments ?? []))
const within = found.filter(({ timeRange }) => timeRange!.maxMs >= 40 && timeRange!.minMs < 60)
if (within.length !== 20 * Number(partitions)) throw new Error(`${within.length} segments are of the slice`)
const engine = await DuckDbEngine.open({ folders: [folder] })
const connection = await engine.connect()
const following = {
  dataset: { name: 'rsvps', tables: 'delta', timeColumn: 'at', rowColumns: [], views: new Map() },
  connection,
  generation: known(generation),
  plan: null,
  emit: ({ message }: PlatformEvent) => {
    throw new Error(message)
  },
  clock: Date.now,
} as unknown as TablesOptions
await followWithTables({ ...following, lake: writer })
const follower = await LocalLake.open({ folder, dataset: 'rsvps' })
await step('tables', () => followWithTables({ ...following, lake: follower }))
// Another process compacts what two partitions have got since the last time.
const landed = boundary.map((from, partition) => (partition < 2 ? from + 10 : from))
await writer.commitSegment(emptySegment(1, end, end + 10))
const staged = await writer.beginGeneration()
await staged.commit(emptyGeneration(staged.id, landed))
const counted = (await writer.current())!.id
await writer.setCurrent(staged.id)
await writer.removeGeneration(counted)
const compacting = { engine, partitions: Number(partitions), lake: await LocalLake.open({ folder, dataset: 'rsvps' }) }
const compact = () => compactSegments(compacting)
const { made } = (await step('compact', compact))!
if (made !== 2) throw new Error(`compacted into ${made} segments`)
await step('compactNothing', compact)
const compacted = await LocalLake.open({ folder, dataset: 'rsvps' })
await step('tablesCompacted', async () => {
  const current = (await compacted.current())!
  await followWithTables({ ...following, lake: compacted, generation: current })
})
connection.close()
engine.close()
process.stdout.write(JSON.stringify(steps))
