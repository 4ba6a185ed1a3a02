/** A log that lost records of closed segments is refused until it is back, or until somebody accepts the loss. */
import { createHash } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { examine, repair } from '#runtime/health/doctor.ts'
import { takeSnapshot } from '#serving/answers/snapshot.ts'
import { manifestFiles } from '#storage/lake/local/manifest-files-fixture.ts'
import { LogGuard } from '#storage/lake/log-guard.ts'
import { copyOf, RestoredParts, refused } from './restored-parts-fixture.ts'

let site: RestoredParts
beforeEach(async () => {
  site = await RestoredParts.start()
})
afterEach(() => site.stop())

const LOST = 'the log was cut, re-created or replaced'
const OTHER = /the log's record at offset 39 is not the one that was counted in a closed segment/

async function restored(): Promise<void> {
  await site.append(25)
  let restore = (): void => {}
  await site.whileClosed(() => {
    restore = copyOf(site.log())
  })
  await site.append(20)
  await site.streamUntil(site.countedAll)
  expect(await site.lakeEnd()).toBe(40)
  await site.whileClosed(restore)
  expect((await site.open.log.range(0)).end).toBe(25)
}

test('a log that lost records of closed segments stays refused when the log has grown again; a repair counts once what it has got since', async () => {
  await restored()
  await site.streamUntil(refused)
  await site.append(30)
  await site.streamUntil(refused)
  expect([...(await site.open.lake.refusals()).values()]).toMatchObject([{ why: expect.stringContaining(LOST) }])
  await expect(takeSnapshot(site.open)).rejects.toThrow(/the log was refused before.*watershed doctor/)
  const { findings, well } = await examine(site.open)
  expect(well).toBe(false)
  expect(findings.find(({ part, state }) => part === 'log' && state === 'attention')).toMatchObject({
    message: expect.stringMatching(OTHER),
    advice: expect.stringMatching(/--accept-log-loss.* lost with the log are the records \[40, 45\) at least/),
  })
  expect((await repair(site.open)).repairs).toMatchObject([{ part: 'log', outcome: 'refused' }])
  const { repairs } = await repair(site.open, { acceptLogLoss: true })
  expect(repairs).toMatchObject([{ part: 'log', outcome: 'repaired' }])
  expect(repairs![0]!.message).toMatch(
    /goes on at offset 40.*; 30 records that it got from offset 25 on are counted from there\. .*lost .* \[40, 45\)/,
  )
  expect(await site.open.log.range(0)).toMatchObject({ start: 40, end: 70 })
  await site.streamUntil(site.countedAll)
  expect(await site.counted()).toBe(70)
  expect(await site.equal()).toBe(true)
  expect((await repair(site.open)).repairs).toEqual([])
})

test('a log that lost records of closed segments is found out by content alone, by whoever opens it', async () => {
  await restored()
  // Nobody looked at the log while it was short.
  await site.append(30)
  const guard = new LogGuard({ dataset: 'd', log: site.open.log, lake: site.open.lake })
  await expect(guard.assertHolds()).rejects.toThrow(OTHER)
  await expect(takeSnapshot(site.open)).rejects.toThrow(OTHER)
  await expect(site.equal()).rejects.toThrow(OTHER)
  expect((await site.open.lake.refusals()).size).toBe(0)
  await site.streamUntil(refused)
  expect((await site.open.lake.refusals()).size).toBe(1)
  expect(await site.lakeEnd()).toBe(40)
})

test('the refusal is lifted without loss when the log is back', async () => {
  await site.append(25)
  await site.streamUntil(site.countedAll)
  await site.whileClosed(() => {
    copyOf(site.log())
  })
  await site.append(20)
  await site.streamUntil(site.countedAll)
  const path = site.log()
  const [older, newer] = [`${path}.kept`, `${path}.newer`]
  await site.whileClosed(() => {
    renameSync(path, newer)
    renameSync(older, path)
  })
  await site.streamUntil(refused)
  await site.whileClosed(() => renameSync(newer, path))
  await site.streamUntil(refused)
  const { repairs } = await repair(site.open)
  expect(repairs).toMatchObject([{ part: 'log', outcome: 'repaired', message: expect.stringContaining('is lifted') }])
  await site.streamUntil(site.countedAll)
  expect(await site.counted()).toBe(45)
  expect(await site.equal()).toBe(true)
})

test('of manifests that do not say what they counted last, only an explicit repair lifts it', async () => {
  await restored()
  await site.whileClosed(() => {
    for (const path of manifestFiles(join(site.lake(), 'meetup_rsvps'))) {
      const { last: _, checksum: __, ...rest } = JSON.parse(readFileSync(path, 'utf8'))
      const checksum = createHash('sha256').update(JSON.stringify(rest)).digest('hex')
      writeFileSync(path, JSON.stringify({ ...rest, checksum }))
    }
  })
  await site.streamUntil(refused)
  await site.append(30)
  expect((await repair(site.open)).repairs).toMatchObject([
    { part: 'log', outcome: 'refused', message: expect.stringMatching(/record at offset 25 is not the one/) },
  ])
  expect((await site.open.lake.refusals()).size).toBe(1)
  await site.streamUntil(refused)
  expect((await repair(site.open, { acceptLogLoss: true })).repairs).toMatchObject([{ outcome: 'repaired' }])
  await site.streamUntil(site.countedAll)
  expect(await site.counted()).toBe(70)
  expect(await site.equal()).toBe(true)
})
