/** Log, speed store and lake after a restore of one of them: seen, explained, and repaired or refused. */
import { createHash } from 'node:crypto'
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { runBatch } from '#batch-layer/run-batch.ts'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { Workspace } from '#runtime/commands/workspace.ts'
import type { OpenDataset } from '#runtime/drivers/open-dataset.ts'
import { examine, repair } from '#runtime/health/doctor.ts'
import { mergedSnapshot } from '#runtime/health/merged-snapshot.ts'
import { loadConfiguration } from '#runtime/settings/configuration.ts'
import { takeSnapshot } from '#serving/answers/snapshot.ts'
import type { StreamLimits } from '#speed-layer/stream-limits.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { LogGuard } from '#storage/lake/log-guard.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { silent } from '#telemetry/emit.ts'
import { disagreements } from './disagreements.ts'
import { verifyDataset } from './verify-dataset.ts'

const SEGMENT = 20
const DEADLINE = { timeout: 20_000, interval: 20 }

let data: string
let workspace: Workspace
let open: OpenDataset
let generator: RsvpGenerator
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'watershed-restore-'))
  generator = new RsvpGenerator({ seed: 5, startMs: 1_700_000_000_000, eventsPerSecond: 20 })
  await start()
})
afterEach(async () => {
  await workspace.close()
  await rm(data, { recursive: true, force: true })
})

async function start(): Promise<void> {
  const configuration = await loadConfiguration({ flags: { data, partitions: 1, datasets: ['meetup_rsvps'] } })
  workspace = await Workspace.open(configuration, 'batch', silent)
  open = await workspace.only()
}

/** Everything is closed meanwhile, as it should be for a restore. */
async function whileClosed(restore: () => void): Promise<void> {
  await workspace.close()
  restore()
  await start()
}

async function append(count: number): Promise<void> {
  const lines = Array.from({ length: count }, () => `${generator.next()}\n`).join('')
  await open.log.append([{ partition: 0, lines: Buffer.from(lines), count }])
}

/** Runs a stream role until `isSo`. */
async function streamUntil(
  isSo: (events: readonly PlatformEvent[]) => void | Promise<void>,
  otherLimits: Partial<StreamLimits> = {},
): Promise<void> {
  const events: PlatformEvent[] = []
  const limits = {
    segmentRecordsMax: SEGMENT,
    batchRecordsMax: 10,
    pollEveryMs: 2,
    flushEveryMs: 5,
    retryMsFirst: 1,
    retryMsMax: 20,
    ...otherLimits,
  }
  const role = new StreamRole({
    ...open,
    scratchFolder: workspace.scratchFolder,
    limits,
    emit: (event) => events.push(event),
  })
  await role.start()
  try {
    await vi.waitFor(() => isSo(events), DEADLINE)
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${JSON.stringify(events.slice(-5))}`, { cause: error })
  } finally {
    await role.stop()
  }
}

const counted = async (): Promise<number> => (await takeSnapshot(open)).partitions[0]!.position
const countedAll = async (): Promise<void> => expect(await counted()).toBe((await open.log.range(0)).end)
const refused = (events: readonly PlatformEvent[]): void =>
  expect(events.filter(({ name }) => name === 'stream-refused').length).toBeGreaterThan(1)

async function equal(): Promise<boolean> {
  return (
    await verifyDataset({ ...open, scratchFolder: workspace.scratchFolder, snapshot: () => mergedSnapshot(open) })
  ).equal
}

async function generation(): Promise<void> {
  const dictionary = await workspace.openDictionary()
  await runBatch({ ...open, dictionary, logIdentity: open.log.identity, mode: 'full', emit: silent })
  await dictionary.close()
}

const log = (): string =>
  join(
    data,
    readdirSync(data, { recursive: true })
      .map(String)
      .find((name) => /log.*\.sqlite$/.test(name))!,
  )
const lake = (): string => join(data, 'lake')

function copy(path: string): () => void {
  const kept = `${path}.kept`
  cpSync(path, kept, { recursive: true })
  return () => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { recursive: true, force: true })
    renameSync(kept, path)
  }
}

test('parts that fit have nothing to repair', async () => {
  await append(50)
  await streamUntil(countedAll)
  await generation()
  expect(await repair(open)).toMatchObject({ well: true, repairs: [] })
  expect(await counted()).toBe(50)
})

test('a log that went back under the open segment: the owner refuses, the repair counts what is left', async () => {
  await append(45)
  let restore = (): void => {}
  await whileClosed(() => {
    restore = copy(log())
  })
  await append(13)
  await streamUntil(countedAll)
  await whileClosed(restore)
  await append(3)
  expect((await open.log.range(0)).end).toBe(48)
  await streamUntil(refused)

  const before = await examine(open)
  expect(before.well).toBe(false)
  const finding = before.findings.find(({ message }) => message.includes('lost its newest records'))!
  expect(finding.message).toMatch(/\[40, 58\) are counted, but the log ends at offset 48/)
  expect(finding.advice).toMatch(/doctor --repair/)
  const after = await repair(open)
  expect(after.repairs).toMatchObject([{ part: 'speed store', outcome: 'repaired' }])
  expect(after.repairs![0]!.message).toMatch(/replays the log from offset 40/)
  expect((await repair(open)).repairs).toEqual([])
  await streamUntil(countedAll)
  expect(await equal()).toBe(true)
})

/** What a broker does that comes back without what it had not synced. */
function cutLog(end: number): void {
  const file = new DatabaseSync(log())
  file.exec(`DELETE FROM log_blocks WHERE start >= ${end}; UPDATE log_ends SET "end" = ${end}`)
  file.close()
}
const lakeEnd = async (): Promise<number> => (await open.lake.chains(1))[0]!.end

test('a log that goes back under a running owner: nothing of it is landed, and it stays refused when the log grows again', async () => {
  for (const count of [45, 3, 10]) await append(count)
  let [cut, grown] = [false, false]
  await streamUntil(async (events) => {
    if (!cut) {
      await countedAll()
      cutLog(48)
      cut = true
    }
    const refusals = events.filter(({ name }) => name === 'stream-refused').length
    if (refusals > 0 && !grown) {
      await append(30)
      grown = true
    }
    expect(refusals).toBeGreaterThan(8)
  })
  expect((await open.log.range(0)).end).toBeGreaterThan(58)
  expect(await lakeEnd()).toBe(40)
  await expect(takeSnapshot(open)).rejects.toThrow(/watershed doctor/)
  expect((await repair(open)).repairs).toMatchObject([{ part: 'speed store', outcome: 'repaired' }])
  await streamUntil(countedAll)
  expect(await equal()).toBe(true)
})

test('a log that went back: no segment closes before the owner has looked', async () => {
  for (const count of [45, 3, 10]) await append(count)
  await streamUntil(countedAll)
  await whileClosed(() => cutLog(48))
  await streamUntil(refused, { segmentRecordsMax: 4, flushEveryMs: 60_000, flushBehindEveryMs: 60_000 })
  expect(await lakeEnd()).toBe(40)
})

test('a log that was replaced is not folded again in place of the one that lost records', async () => {
  await append(45)
  await streamUntil(countedAll)
  await whileClosed(() => cutLog(40))
  const range = (partition: number) => open.log.range(partition)
  const read: EventLog['read'] = (...asked) => open.log.read(...asked)
  const countedArrivals = async () => new Map()
  const [found] = await disagreements({ ...open, log: { identity: 'another', range, read }, countedArrivals })
  expect(found).toMatchObject({ part: 'speed store', repair: null })
  expect(found!.advice).toMatch(/not repaired: the lake's segments belong to log .*, but this log is another/)
})

describe('a log that lost records of closed segments', () => {
  const LOST = 'the log was cut, re-created or replaced'
  const OTHER = /the log's record at offset 39 is not the one that was counted in a closed segment/

  async function restored(): Promise<void> {
    await append(25)
    let restore = (): void => {}
    await whileClosed(() => {
      restore = copy(log())
    })
    await append(20)
    await streamUntil(countedAll)
    expect(await lakeEnd()).toBe(40)
    await whileClosed(restore)
    expect((await open.log.range(0)).end).toBe(25)
  }

  test('stays refused when the log has grown again; a repair counts once what it has got since', async () => {
    await restored()
    await streamUntil(refused)
    await append(30)
    await streamUntil(refused)
    expect([...(await open.lake.refusals()).values()]).toMatchObject([{ why: expect.stringContaining(LOST) }])
    await expect(takeSnapshot(open)).rejects.toThrow(/the log was refused before.*watershed doctor/)
    const { findings, well } = await examine(open)
    expect(well).toBe(false)
    expect(findings.find(({ part, state }) => part === 'log' && state === 'attention')).toMatchObject({
      message: expect.stringMatching(OTHER),
      advice: expect.stringMatching(/--accept-log-loss.* lost with the log are the records \[40, 45\) at least/),
    })
    expect((await repair(open)).repairs).toMatchObject([{ part: 'log', outcome: 'refused' }])
    const { repairs } = await repair(open, { acceptLogLoss: true })
    expect(repairs).toMatchObject([{ part: 'log', outcome: 'repaired' }])
    expect(repairs![0]!.message).toMatch(
      /goes on at offset 40.*; 30 records that it got from offset 25 on are counted from there\. .*lost .* \[40, 45\)/,
    )
    expect(await open.log.range(0)).toMatchObject({ start: 40, end: 70 })
    await streamUntil(countedAll)
    expect(await counted()).toBe(70)
    expect(await equal()).toBe(true)
    expect((await repair(open)).repairs).toEqual([])
  })

  test('is found out by content alone, by whoever opens it', async () => {
    await restored()
    // Nobody looked at the log while it was short.
    await append(30)
    const guard = new LogGuard({ dataset: 'd', log: open.log, lake: open.lake })
    await expect(guard.assertHolds()).rejects.toThrow(OTHER)
    await expect(takeSnapshot(open)).rejects.toThrow(OTHER)
    await expect(equal()).rejects.toThrow(OTHER)
    expect((await open.lake.refusals()).size).toBe(0)
    await streamUntil(refused)
    expect((await open.lake.refusals()).size).toBe(1)
    expect(await lakeEnd()).toBe(40)
  })

  test('is lifted without loss when the log is back', async () => {
    await append(25)
    await streamUntil(countedAll)
    await whileClosed(() => {
      copy(log())
    })
    await append(20)
    await streamUntil(countedAll)
    const path = log()
    const [older, newer] = [`${path}.kept`, `${path}.newer`]
    await whileClosed(() => {
      renameSync(path, newer)
      renameSync(older, path)
    })
    await streamUntil(refused)
    await whileClosed(() => renameSync(newer, path))
    await streamUntil(refused)
    const { repairs } = await repair(open)
    expect(repairs).toMatchObject([{ part: 'log', outcome: 'repaired', message: expect.stringContaining('is lifted') }])
    await streamUntil(countedAll)
    expect(await counted()).toBe(45)
    expect(await equal()).toBe(true)
  })

  test('of manifests that do not say what they counted last, only an explicit repair lifts it', async () => {
    await restored()
    const manifests = join(lake(), 'meetup_rsvps/manifests')
    await whileClosed(() => {
      for (const name of readdirSync(manifests)) {
        const { last: _, checksum: __, ...rest } = JSON.parse(readFileSync(join(manifests, name), 'utf8'))
        const checksum = createHash('sha256').update(JSON.stringify(rest)).digest('hex')
        writeFileSync(join(manifests, name), JSON.stringify({ ...rest, checksum }))
      }
    })
    await streamUntil(refused)
    await append(30)
    expect((await repair(open)).repairs).toMatchObject([
      { part: 'log', outcome: 'refused', message: expect.stringMatching(/record at offset 25 is not the one/) },
    ])
    expect((await open.lake.refusals()).size).toBe(1)
    await streamUntil(refused)
    expect((await repair(open, { acceptLogLoss: true })).repairs).toMatchObject([{ outcome: 'repaired' }])
    await streamUntil(countedAll)
    expect(await counted()).toBe(70)
    expect(await equal()).toBe(true)
  })
})

test('partials of records that the log no longer holds are not counted, however long it is', async () => {
  await append(25)
  let restore = (): void => {}
  await whileClosed(() => {
    restore = copy(log())
  })
  await append(10)
  await streamUntil(countedAll)
  expect(await counted()).toBe(35)
  await whileClosed(restore)
  await append(50)
  await expect(takeSnapshot(open)).rejects.toThrow(
    /the log's record at offset 34 is not the one that was counted in the open segment/,
  )
  await streamUntil(refused)
  expect(await lakeEnd()).toBe(20)
  expect((await repair(open)).repairs).toMatchObject([{ part: 'speed store', outcome: 'repaired' }])
  await streamUntil(countedAll)
  expect(await counted()).toBe(75)
  expect(await equal()).toBe(true)
})

test('a repair that died half way is found and made again, and no answer is given in between', async () => {
  await append(45)
  await streamUntil(countedAll)
  const marker = (await open.store.markers()).get(0)!
  // What a repair leaves that dies behind its first step.
  await open.store.flush([], { ...marker, segmentStart: 46, through: Number.MAX_SAFE_INTEGER, views: [] })
  await expect(takeSnapshot(open)).rejects.toThrow(/watershed doctor/)
  await streamUntil(refused)
  expect((await examine(open)).findings.map(({ message }) => message)).toContain(
    'partition 0: the log lost records while a stream role was running, or a repair was interrupted',
  )
  expect((await repair(open)).repairs).toMatchObject([{ outcome: 'repaired' }])
  await streamUntil(countedAll)
  expect(await equal()).toBe(true)
})

test('a lake that went back: the stream role reads the log again, and answers wait for it', async () => {
  await append(25)
  await streamUntil(countedAll)
  const restore = copy(lake())
  await append(60)
  await streamUntil(countedAll)
  await whileClosed(restore)
  await expect(takeSnapshot(open)).rejects.toThrow(/the lake ends at offset 20/)
  const { repairs } = await repair(open)
  expect(repairs).toMatchObject([
    { outcome: 'refused', message: expect.stringContaining('the lake has lost its newest segments') },
  ])
  expect(repairs![0]!.message).toMatch(/reads the log again from offset 20/)
  await streamUntil(countedAll)
  expect(await equal()).toBe(true)
  expect((await repair(open)).repairs).toEqual([])
})

test('what only a person can mend is refused, and says what to do', async () => {
  await append(45)
  await streamUntil(countedAll)
  await generation()
  const manifests = join(lake(), 'meetup_rsvps/manifests')
  const newest = readdirSync(manifests).sort().at(-1)!
  await whileClosed(() => renameSync(join(manifests, newest), join(data, newest)))
  const { repairs, well } = await repair(open)
  expect(well).toBe(false)
  expect(repairs).toMatchObject([{ outcome: 'refused' }])
  expect(repairs![0]!.message).toMatch(
    /generation g000001 counts up to offset 40.*Restore the lake's folder 'manifests'/,
  )
  renameSync(join(data, newest), join(manifests, newest))
  expect(await counted()).toBe(45)
})

test('a torn CURRENT, or one that names what is not there: the newest generation that fits is made current', async () => {
  await append(45)
  await streamUntil(countedAll)
  await generation()
  await generation()
  for (const text of ['torn', 'g000009\n']) {
    await writeFile(join(lake(), 'meetup_rsvps/CURRENT'), text)
    expect((await examine(open)).well).toBe(false)
    expect((await repair(open)).repairs).toMatchObject([
      { part: 'generation', outcome: 'repaired', message: expect.stringContaining('g000002 is current') },
    ])
    expect((await open.lake.current())!.id).toBe('g000002')
    expect(await equal()).toBe(true)
  }
})

test('a generation that is damaged itself is not made current, and hides none that is whole', async () => {
  await append(45)
  await streamUntil(countedAll)
  for (let runs = 0; runs < 4; runs++) await generation()
  const place = join(lake(), 'meetup_rsvps/generations')
  const parquet = (id: string) =>
    join(place, id, readdirSync(join(place, id)).find((name) => name.endsWith('.parquet'))!)
  await whileClosed(() => {
    writeFileSync(join(place, 'g000002/manifest.json'), 'torn')
    const bytes = readFileSync(parquet('g000003'))
    bytes[10]! ^= 1
    writeFileSync(parquet('g000003'), bytes)
    rmSync(parquet('g000004'))
    writeFileSync(join(lake(), 'meetup_rsvps/CURRENT'), 'torn')
  })
  expect((await repair(open)).repairs).toMatchObject([
    { part: 'generation', outcome: 'repaired', message: expect.stringContaining('g000001 is current') },
  ])
  expect(await equal()).toBe(true)
})

test('a speed store that was emptied is filled again by the stream role', async () => {
  await append(45)
  await streamUntil(countedAll)
  while ((await open.store.deleteClosed(0, 1_000, 1_000)) > 0);
  expect(await counted()).toBe(40)
  expect((await repair(open)).repairs).toEqual([])
  await streamUntil(countedAll)
  expect(await equal()).toBe(true)
})

test('a damaged row of the open segment: a repair deletes its partials, and the log gives them again', async () => {
  await append(50)
  await streamUntil(countedAll)
  const speed = readdirSync(data, { recursive: true })
    .map(String)
    .find((name) => /speed.*\.sqlite$/.test(name))!
  await whileClosed(() => {
    const db = new DatabaseSync(join(data, speed))
    db.exec(`UPDATE partials SET "row" = replace("row", '1', '2') WHERE "row" LIKE '%1%'`)
    db.close()
  })
  await expect(takeSnapshot(open)).rejects.toThrow(/a row of partition 0 differs .*doctor --repair/)
  const { repairs } = await repair(open)
  expect(repairs).toEqual([
    { part: 'speed store', outcome: 'repaired', message: expect.stringMatching(/replays the log from offset 40/) },
  ])
  await streamUntil(countedAll)
  expect(await equal()).toBe(true)
})
