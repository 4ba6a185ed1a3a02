import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DuckDbCompute } from './batch-compute.ts'
import { BatchFixture, BY_MINUTE, definition, PARTITIONS, SMALL_FILE_BYTES } from './batch-fixture.ts'
import { groupsOf, type RecountWorkers } from './grouped-recount.ts'

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open({ ...definition, views: { ...definition.views, by_minute: BY_MINUTE } })
})
afterEach(() => batch.close())

async function landAll(segments: number): Promise<void> {
  for (let each = 0; each < segments; each++)
    for (let partition = 0; partition < PARTITIONS; partition++) await batch.land(partition, 300, 1)
}

/** Names of files that are not complete, or were handed over. */
async function unfinished(): Promise<string[]> {
  const names = await readdir(join(batch.folder, batch.dataset.name), { recursive: true })
  return names.filter((name) => name.endsWith('.inprogress') || name.startsWith('handoffs/'))
}

/** Workers in this process, each with a connection of its own; `fault` says which groups they do not return. */
function workers(asked: string[], fault: (nth: number) => Error | null = () => null): RecountWorkers {
  return {
    groupsAtOnce: 3,
    recount: async (view, segments) => {
      const failed = fault(asked.push(view.name))
      if (failed !== null) throw failed
      const connection = await batch.engine.connect()
      try {
        const staged = await batch.lake.stageHandoff(view.name)
        const compute = new DuckDbCompute(connection, batch.dataset, (file) => batch.lake.resolve(file))
        const file = await staged.finish(await compute.recount(view, segments, [], staged.writePath))
        return { path: batch.lake.resolve(file), rows: file.rows, remove: () => batch.lake.removeHandoff(file) }
      } finally {
        connection.close()
      }
    },
  }
}

describe('a recount in groups', () => {
  test('publishes the numbers of a recount at once, and leaves nothing behind', async () => {
    await landAll(5)
    const grouped = await batch.run({ mode: 'full', recount: { groupRows: 700 }, stateFileBytes: SMALL_FILE_BYTES / 4 })
    await batch.expectRecount(grouped)
    expect(grouped!.views.by_minute!.files.length).toBeGreaterThan(1)
    expect(await unfinished()).toEqual([])
    const whole = await batch.run({ mode: 'full' })
    await batch.expectRecount(whole)
    for (const [name, { files }] of Object.entries(grouped!.views)) {
      const rows = (of: typeof files): number => of.reduce((sum, file) => sum + file.rows, 0)
      expect({ name, rows: rows(files) }).toEqual({ name, rows: rows(whole!.views[name]!.files) })
    }
  })

  test('is shared with workers, and what they fail at is done here and told', async () => {
    await landAll(4)
    const asked: string[] = []
    const fault = (nth: number): Error | null => (nth % 3 === 0 ? new Error('the worker died') : null)
    const generation = await batch.run({
      mode: 'full',
      recount: { groupRows: 600, workers: workers(asked, fault) },
    })
    await batch.expectRecount(generation)
    expect(asked).toHaveLength(4 * batch.dataset.views.size)
    const told = batch.events.filter(({ name }) => name === 'group-recounted-here')
    expect(told).toHaveLength(Math.floor(asked.length / 3))
    expect(told[0]!.message).toMatch(
      /^a group of 2 segments of view '\w+' was not recounted by another worker: the worker died/,
    )
    expect(await unfinished()).toEqual([])
  })

  test('keeps the states of removed raw events', async () => {
    await batch.redefine({ ...definition, keep: { raw: '3d' } })
    for (let day = 0; day < 6; day++) {
      await landAll(1)
      batch.nowMs += 86_400_000
    }
    await batch.run({ mode: 'full' })
    const generation = await batch.run({ mode: 'full', recount: { groupRows: 300 } })
    await batch.expectAllCounted(generation)
    expect(generation!.floor!.some((offset) => offset > 0)).toBe(true)
  })

  test('a run that is stopped meanwhile publishes nothing and removes what it wrote', async () => {
    await landAll(3)
    const stop = new AbortController()
    const waiting: RecountWorkers = {
      groupsAtOnce: 2,
      recount: () => {
        stop.abort(new Error('stopped by a test'))
        return new Promise(() => {})
      },
    }
    const run = batch.run({ mode: 'full', recount: { groupRows: 600, workers: waiting }, signal: stop.signal })
    await expect(run).rejects.toThrow('stopped by a test')
    expect(await batch.lake.current()).toBeNull()
    expect(await unfinished()).toEqual([])
  })
})

describe('groupsOf', () => {
  test('a segment that is larger than a group is one by itself; one without rows stays with the others', () => {
    const rows = [9, 0, 2, 3, 7, 1].map((each) => ({ rows: each }))
    const groups = groupsOf(rows, 5).map((group) => group.map((segment) => segment.rows))
    expect(groups).toEqual([[9], [0, 2, 3], [7], [1]])
    expect(groupsOf([], 5)).toEqual([])
  })
})
