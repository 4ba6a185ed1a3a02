import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runBatch } from '#batch-layer/run-batch.ts'
import { takeSnapshot } from '#serving/answers/snapshot.ts'
import { emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { silent } from '#telemetry/emit.ts'
import { Workspace } from '../commands/workspace.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { loadConfiguration } from '../settings/configuration.ts'
import { type DoctorReport, examine, type Finding } from './doctor.ts'

let data: string
let workspace: Workspace
let open: OpenDataset

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'watershed-doctor-'))
  workspace = await Workspace.open(await loadConfiguration({ flags: { data } }), 'batch', silent)
  open = await workspace.only()
})
afterEach(async () => {
  await workspace.close()
  await rm(data, { recursive: true, force: true })
})

function finding(report: DoctorReport, part: Finding['part']): Finding {
  return report.findings.find((one) => one.part === part)!
}

async function generation(): Promise<void> {
  const dictionary = await workspace.openDictionary()
  await runBatch({ ...open, dictionary, logIdentity: open.log.identity, mode: 'full', emit: silent })
  await dictionary.close()
}

test('an empty data folder is well: nothing is waiting, and there is no generation yet', async () => {
  const report = await examine(open, { deep: true })
  expect(report.well).toBe(true)
  expect(finding(report, 'generation')).toMatchObject({ state: 'note', advice: expect.stringContaining('batch run') })
})

test('a dictionary store that is away needs attention, one without a dictionary a word', async () => {
  const dictionary = await workspace.openDictionary()
  const report = await examine(open, { dictionary })
  expect(finding(report, 'dictionary store')).toMatchObject({ state: 'note', numbers: { dictionaries: 3, absent: 3 } })
  const version = (): Promise<never> => Promise.reject(new Error('Redis is not reachable'))
  const away = await examine(open, { dictionary: { ...dictionary, version } as typeof dictionary })
  expect(finding(away, 'dictionary store')).toMatchObject({ state: 'attention', advice: 'Redis is not reachable' })
  expect(away.well).toBe(false)
  await dictionary.close()
})

test('a shared schedule is examined: present, missing, or unavailable', async () => {
  const looked = async (hasSchedules: () => Promise<boolean>) =>
    finding(await examine(open, { schedule: { hasSchedules } }), 'schedule')
  expect(await looked(async () => true)).toMatchObject({ state: 'ok' })
  expect(await looked(async () => false)).toMatchObject({
    state: 'note',
    advice: expect.stringContaining('batch role'),
  })
  const away = await looked(() => Promise.reject(new Error('Redis is not reachable')))
  expect(away).toMatchObject({ state: 'attention', advice: 'Redis is not reachable' })
})

test('a lake of another log is said to be that, also where it has more partitions, and is not answered from', async () => {
  const { name } = open.dataset
  await open.lake.commitSegment({ ...emptySegment(9, 0, 10), dataset: name, kind: 'gap', log: 'another' })
  const report = await examine(open)
  const states = report.findings.filter(({ state }) => state === 'attention')
  expect(states.map(({ part, message }) => [part, message])).toEqual([
    ['lake', expect.stringContaining('segments belong to a log other than')],
  ])
  await expect(takeSnapshot(open)).rejects.toThrow(/belong to log another, but this log is/)
})

test('events that nobody counts need attention', async () => {
  await open.log.append([{ partition: 1, lines: Buffer.from('{"a":1}\n{"a":2}\n'), count: 2 }])
  const report = await examine(open)
  expect(report.well).toBe(false)
  expect(finding(report, 'speed store')).toMatchObject({
    state: 'attention',
    numbers: { lag: 2 },
    advice: expect.stringContaining('watershed start'),
  })
})

test('a view that changed since the generation needs a backfill', async () => {
  await generation()
  const [first, ...rest] = open.dataset.views
  const views = new Map([[first![0], { ...first![1], hash: 'other' }], ...rest])
  const report = await examine({ ...open, dataset: { ...open.dataset, views } })
  expect(finding(report, 'definition')).toMatchObject({
    state: 'attention',
    message: expect.stringContaining(first![0]),
    advice: 'run `watershed backfill meetup_rsvps`',
  })
})

test('a generation and a marker of a clock that was ahead are said to be that, not fresh', async () => {
  await generation()
  const { finishedAtMs } = (await open.lake.current())!
  const marker = { partition: 0, segmentStart: 0, through: 0, rows: 0, deadLetters: 0, lateRows: 0, timeMaxMs: null }
  await open.store.flush([], { ...marker, atMs: finishedAtMs, views: [] })
  const report = await examine(open, { clock: () => finishedAtMs - 3 * 3_600_000 })
  const future = { state: 'attention', message: expect.stringContaining('3 h in the future') }
  expect(finding(report, 'generation')).toMatchObject(future)
  expect(finding(report, 'speed store')).toMatchObject(future)
})

test('an old generation that cannot be read is a finding, and does not hide the current one', async () => {
  await generation()
  await generation()
  const path = join(data, 'lake', 'meetup_rsvps', 'generations', 'g000001', 'manifest.json')
  await writeFile(path, '{"format": 9}')
  const other = await LocalLake.open({ folder: join(data, 'lake'), dataset: 'meetup_rsvps' })
  const report = await examine({ ...open, lake: other })
  const found = report.findings.filter(({ part }) => part === 'generation')
  expect(found).toMatchObject([
    { state: 'ok', numbers: { id: 'g000002', kept: 1 } },
    { state: 'attention', message: expect.stringMatching(/^g000001 cannot be read: .* a newer version/) },
  ])
})

test('a deep examination finds a damaged file, and a component that cannot be read is a finding', async () => {
  await generation()
  const current = await open.lake.current()
  const file = Object.values(current!.views)[0]!.files[0]!
  const path = open.lake.resolve(file)
  await writeFile(path, Buffer.alloc(file.bytes))
  expect((await examine(open)).well).toBe(true)
  const report = await examine(open, { deep: true })
  expect(finding(report, 'files')).toMatchObject({ state: 'attention', numbers: { problems: 1 } })

  await writeFile(join(data, 'lake', 'meetup_rsvps', 'CURRENT'), 'torn')
  expect(finding(await examine(open), 'generation')).toMatchObject({ state: 'attention', message: 'cannot be read' })
})
