/** Files of states cut by ranges of panes: what a run writes follows what is new, whatever comes late, and every answer is the recount. */
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { count, countDistinct, type DatasetDefinition } from '#core/definition.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { type GenerationManifest, RANGE_FILES_MAX, type StateFile } from '#storage/lake/generation-manifest.ts'
import { coverAllStates, isOfSlots, rangesOf } from '#storage/lake/state-ranges.ts'
import { definition as answers, BatchFixture, BY_MINUTE, byKey, SMALL_FILE_BYTES } from './batch-fixture.ts'

const definition: DatasetDefinition = {
  ...answers,
  views: {
    by_minute: BY_MINUTE,
    by_id: { dimensions: { id: 'id % 50' }, measures: { answers: count(), members: countDistinct('member') } },
  },
}

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open(definition)
})
afterEach(() => batch.close())

const run = async (mode: 'full' | 'incremental'): Promise<GenerationManifest> =>
  (await batch.run({ mode, stateFileBytes: SMALL_FILE_BYTES }))!

const filesOf = ({ views }: GenerationManifest, view = 'by_minute'): readonly StateFile[] => views[view]!.files

/** What a run wrote: the files that its base does not name. */
function writtenBy(next: GenerationManifest, base: GenerationManifest, view?: string): StateFile[] {
  const known = new Set(filesOf(base, view).map(({ path }) => path))
  return filesOf(next, view).filter(({ path }) => !known.has(path))
}

test('what an incremental run writes does not grow with the history', async () => {
  const written: StateFile[][] = []
  const ranges: number[] = []
  for (const events of [20_000, 180_000]) {
    await batch.land(0, events)
    const full = await run('full')
    ranges.push(rangesOf(filesOf(full)).length)
    const last = rangesOf(filesOf(full)).at(-1)!
    await batch.land(0, 500)
    const next = await run('incremental')
    await batch.expectRecount(next)
    written.push(writtenBy(next, full))
    for (const { range } of written.at(-1)!) expect(range!.fromMs).toBeGreaterThanOrEqual(last.fromMs!)
    // A range is cut at twice the size, and the new states come on top.
    expect(written.at(-1)!.reduce((total, { bytes }) => total + bytes, 0)).toBeLessThan(4 * SMALL_FILE_BYTES)
  }
  expect(ranges[1]).toBeGreaterThan(5 * ranges[0]!)
  expect(written.map(({ length }) => length)).toEqual([expect.any(Number), expect.any(Number)])
  for (const { length } of written) expect(length).toBeLessThanOrEqual(2)
})

test('of a view without panes, new keys are gathered in one file however many there are, and distributed when that is large', async () => {
  await batch.redefine({ ...definition, views: { by_key: byKey(5) } })
  const bytesOf = (files: readonly StateFile[]): number => files.reduce((total, { bytes }) => total + bytes, 0)
  const ranges: number[] = []
  for (const events of [20_000, 80_000]) {
    await batch.land(0, events)
    const full = await run('full')
    expect(full.format).toBe(5)
    ranges.push(rangesOf(filesOf(full, 'by_key')).length)
    await batch.land(0, events / 100)
    const next = await run('incremental')
    await batch.expectRecount(next)
    const written = writtenBy(next, full, 'by_key')
    expect(written.map(({ range }) => range)).toEqual([undefined])
    expect(written[0]!.bytes).toBeLessThan(bytesOf(filesOf(full, 'by_key')) / 10)
  }
  expect(ranges[0]).toBeGreaterThan(3)
  expect(ranges[1]).toBeGreaterThan(3 * ranges[0]!)
  // As much as two files have is distributed.
  await batch.land(1, 10_000)
  const distributed = await run('incremental')
  await batch.expectRecount(distributed)
  expect(filesOf(distributed, 'by_key').every(isOfSlots)).toBe(true)
  for (const own of Map.groupBy(filesOf(distributed, 'by_key'), ({ range }) => range!.fromSlot).values())
    expect(own.length).toBeLessThanOrEqual(RANGE_FILES_MAX)
})

test('distributing computes the hash of a key in one statement, however many ranges there are', async () => {
  await batch.redefine({ ...definition, views: { by_key: byKey(1) } })
  await batch.land(0, 20_000)
  const full = await run('full')
  expect(rangesOf(filesOf(full, 'by_key')).length).toBeGreaterThan(8)
  await batch.land(1, 2_000)
  const statements: string[] = []
  const next = (await batch.run({
    mode: 'incremental',
    stateFileBytes: SMALL_FILE_BYTES,
    engine: listening(batch.engine, statements),
  }))!
  await batch.expectRecount(next)
  expect(filesOf(next, 'by_key').every(isOfSlots)).toBe(true)
  expect(writtenBy(next, full, 'by_key').length).toBeGreaterThan(8)
  const hashing = statements.filter((statement) => statement.includes('md5('))
  expect(hashing).toHaveLength(1)
})

/** The engine; what its connections are asked to run is noted. */
function listening(engine: DuckDbEngine, statements: string[]): DuckDbEngine {
  const noting = <Heard extends object>(heard: Heard): Heard =>
    new Proxy(heard, {
      get: (target, name) => {
        const member = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return (...given: unknown[]) => {
          if (typeof given[0] === 'string') statements.push(given[0])
          const done = member.apply(target, given)
          return name === 'connect' ? done.then(noting) : done
        }
      },
    })
  return noting(engine)
}

test('late events are written to the ranges of their panes, and the others are referred to', async () => {
  await batch.land(0, 60_000)
  const full = await run('full')
  expect(rangesOf(filesOf(full)).length).toBeGreaterThan(5)
  // The other partition begins where this one did, many hours ago.
  await batch.land(1, 300)
  const next = await run('incremental')
  await batch.expectRecount(next)
  const [oldest] = rangesOf(filesOf(full))
  const late = writtenBy(next, full)
  expect(late).not.toHaveLength(0)
  for (const { range } of late) expect(range!.fromMs ?? 0).toBeLessThan(oldest!.beforeMs!)
  expect(filesOf(next).filter(({ path }) => filesOf(full).some((file) => file.path === path)).length).toBeGreaterThan(4)
})

test('whatever is landed and run, in any order, the states are the recount and their ranges cover every pane once', async () => {
  const steps = fc.array(
    fc.record({
      partition: fc.nat({ max: 1 }),
      rows: fc.integer({ min: 1, max: 4_000 }),
      mode: fc.constantFrom('full' as const, 'incremental' as const, 'incremental' as const),
    }),
    { minLength: 3, maxLength: 6 },
  )
  await fc.assert(
    fc
      .asyncProperty(steps, async (all) => {
        for (const { partition, rows, mode } of all) {
          await batch.land(partition, rows)
          const generation = await run(mode)
          await batch.expectRecount(generation)
          for (const view of ['by_minute', 'by_id']) {
            expect(coverAllStates(filesOf(generation, view))).toBe(true)
            const ranges = Map.groupBy(filesOf(generation, view), ({ range }) => JSON.stringify(range))
            for (const own of ranges.values()) expect(own.length).toBeLessThanOrEqual(RANGE_FILES_MAX)
          }
        }
      })
      .afterEach(async () => {
        await batch.close()
        batch = await BatchFixture.open(definition)
      }),
    { numRuns: 4 },
  )
  expect((await batch.lake.verifyFiles()).problems).toEqual([])
})

test('a generation of an earlier version, whose files have no ranges, is gone on with, and cut once its states are written whole', async () => {
  await batch.land(0, 10_000)
  const uncut = (await batch.run({ mode: 'full' }))!
  expect(filesOf(uncut)).toHaveLength(1)
  expect(filesOf(uncut)[0]!.range).toBeUndefined()
  await batch.land(0, 20_000)
  const next = await run('incremental')
  await batch.expectRecount(next)
  expect(rangesOf(filesOf(next)).length).toBeGreaterThan(1)
})
