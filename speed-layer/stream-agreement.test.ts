/** A stream role whose log and lake do not agree: it refuses, records a gap, or continues when they agree again. */
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { manifestFiles } from '#storage/lake/local/manifest-files-fixture.ts'
import { type EventLog, LogDivergedError } from '#storage/log/event-log.ts'
import { append, line, StreamRoleFixture } from './stream-role-fixture.ts'

let fixture: StreamRoleFixture
beforeEach(async () => {
  fixture = await StreamRoleFixture.open()
})
afterEach(() => fixture.close())

test('a log that ends before the lake is refused, not counted under old offsets', async () => {
  const first = await fixture.parts({ segmentRecordsMax: 40 })
  await append(
    first.log,
    0,
    Array.from({ length: 40 }, (_, id) => line(id, 'a')),
  )
  const closed = first.seen('segment-closed')
  await first.role.start()
  await closed
  await first.role.stop()
  await first.log.close()
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(fixture.folder, `log.sqlite${suffix}`), { force: true })
  const second = await fixture.parts({ retryMsFirst: 1 })
  await second.role.start()
  expect(second.role.status()[0]).toMatchObject({ state: 'refused' })
  expect(second.role.status()[0]!.fault).toMatch(/re-created or replaced/)
  await second.role.stop()
})

describe('a lake that lost manifests', () => {
  const manifests = () => manifestFiles(join(fixture.folder, 'lake/clicks'))
  const landed = async (records: number, closed: number) => {
    const first = await fixture.parts({ segmentRecordsMax: 40 })
    const lines = Array.from({ length: records }, (_, id) => line(id, 'a'))
    await append(first.log, 0, lines)
    const done = first.seen('segment-closed', closed)
    await first.role.start()
    await done
    await first.role.stop()
    return first
  }

  test('that a generation has counted is refused until they are back: nothing is landed twice', async () => {
    const { lake, log } = await landed(90, 2)
    const staged = await lake.beginGeneration()
    await staged.commit({
      format: 2,
      dataset: 'clicks',
      id: staged.id,
      log: log.identity,
      mode: 'full',
      boundary: [80, 0],
      segments: [],
      base: null,
      views: {},
      dictionaries: {},
      rows: 80,
      deadLetters: 0,
      lateRows: 0,
      gaps: [],
      startedAtMs: 1,
      finishedAtMs: 2,
    })
    await lake.setCurrent(staged.id)
    const newest = manifests().at(-1)!
    renameSync(newest, `${newest}.away`)
    const second = await fixture.parts({ retryMsFirst: 1, retryMsMax: 5 })
    const refused = second.seen('stream-refused', 2)
    const flushed = second.seen('flush-written', 1, 90)
    await second.role.start()
    await refused
    expect(second.role.status()[0]!.fault).toMatch(
      /generation g000001 counts up to offset 80, but the lake ends at offset 40/,
    )
    expect(manifests()).toHaveLength(1)
    renameSync(`${newest}.away`, newest)
    await flushed
    await second.role.stop()
    expect((await second.lake.chains(2))[0]!.end).toBe(80)
  })

  test('is no gap where the log no longer holds what they said', async () => {
    const { log } = await landed(80, 2)
    await log.trim(0, 80, Date.now() + 1_000)
    for (const path of manifests()) rmSync(path)
    const second = await fixture.parts({ retryMsFirst: 1 })
    await second.role.start()
    await second.role.stop()
    expect(second.events.find(({ name }) => name === 'stream-refused')!.message).toMatch(
      /has a segment from offset 80, but the lake ends at offset 0 and the log begins at offset 80/,
    )
    expect((await second.lake.chains(2))[0]!.segments).toEqual([])
  })
})

test('records that retention took before they were read are a gap in the lake', async () => {
  const { lake, log, role, seen } = await fixture.parts({ segmentRecordsMax: 10 })
  await append(
    log,
    0,
    Array.from({ length: 20 }, (_, id) => line(id, 'a')),
  )
  await append(
    log,
    0,
    Array.from({ length: 10 }, (_, id) => line(20 + id, 'a')),
  )
  await log.trim(0, 20, Date.now() + 1_000)
  const closed = seen('segment-closed')
  await role.start()
  await closed
  await role.stop()
  const [chain] = await lake.chains(2)
  expect(chain!.segments.map(({ kind, start, end }) => [kind, start, end])).toEqual([
    ['gap', 0, 20],
    ['events', 20, 30],
  ])
})

test('a log that has other records than those that were read is refused, also when it can be read again', async () => {
  const state = { isDiverging: false }
  const first = await fixture.parts({ retryMsFirst: 1, retryMsMax: 5 })
  const read: EventLog['read'] = async (partition, from, limits) => {
    if (state.isDiverging && partition === 0) throw new LogDivergedError({ partition, at: from })
    return first.log.read(partition, from, limits)
  }
  const { role, seen, log, lake } = await fixture.parts({ retryMsFirst: 1, retryMsMax: 5 }, { log: { read } })
  const flushed = seen('flush-written', 1, 3)
  await append(log, 0, [line(0, 'a'), line(1, 'b'), line(2, 'c')])
  await role.start()
  await flushed
  const refused = seen('stream-refused', 3)
  state.isDiverging = true
  await append(log, 0, [line(3, 'a')])
  await seen('stream-refused')
  state.isDiverging = false
  await refused
  expect(role.status()[0]).toMatchObject({
    state: 'refused',
    fault: expect.stringMatching(/refused before.*offset 2 /),
  })
  expect((await lake.refusals()).get(0)!.why).toMatch(/the log's record at offset 2 is not the one that was counted/)
  await role.stop()
})
