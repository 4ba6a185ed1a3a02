/** A lake or speed store that was restored or damaged: seen, explained, and repaired or refused. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { examine, repair } from '#runtime/health/doctor.ts'
import { takeSnapshot } from '#serving/answers/snapshot.ts'
import { manifestFiles } from '#storage/lake/local/manifest-files-fixture.ts'
import { copyOf, RestoredParts } from './restored-parts-fixture.ts'

let site: RestoredParts
beforeEach(async () => {
  site = await RestoredParts.start()
})
afterEach(() => site.stop())

test('a lake that went back: the stream role reads the log again, and answers wait for it', async () => {
  await site.append(25)
  await site.streamUntil(site.countedAll)
  const restore = copyOf(site.lake())
  await site.append(60)
  await site.streamUntil(site.countedAll)
  await site.whileClosed(restore)
  await expect(takeSnapshot(site.open)).rejects.toThrow(/the lake ends at offset 20/)
  const { repairs } = await repair(site.open)
  expect(repairs).toMatchObject([
    { outcome: 'refused', message: expect.stringContaining('the lake has lost its newest segments') },
  ])
  expect(repairs![0]!.message).toMatch(/reads the log again from offset 20/)
  await site.streamUntil(site.countedAll)
  expect(await site.equal()).toBe(true)
  expect((await repair(site.open)).repairs).toEqual([])
})

test('what only a person can mend is refused, and says what to do', async () => {
  await site.append(45)
  await site.streamUntil(site.countedAll)
  await site.generation()
  const newest = manifestFiles(join(site.lake(), 'meetup_rsvps')).at(-1)!
  const away = join(site.data, basename(newest))
  await site.whileClosed(() => renameSync(newest, away))
  const { repairs, well } = await repair(site.open)
  expect(well).toBe(false)
  expect(repairs).toMatchObject([{ outcome: 'refused' }])
  expect(repairs![0]!.message).toMatch(
    /generation g000001 counts up to offset 40.*Restore the lake's folder 'manifests'/,
  )
  renameSync(away, newest)
  expect(await site.counted()).toBe(45)
})

test('a torn CURRENT, or one that names what is not there: the newest generation that fits is made current', async () => {
  await site.append(45)
  await site.streamUntil(site.countedAll)
  await site.generation()
  await site.generation()
  for (const text of ['torn', 'g000009\n']) {
    await writeFile(join(site.lake(), 'meetup_rsvps/CURRENT'), text)
    expect((await examine(site.open)).well).toBe(false)
    expect((await repair(site.open)).repairs).toMatchObject([
      { part: 'generation', outcome: 'repaired', message: expect.stringContaining('g000002 is current') },
    ])
    expect((await site.open.lake.current())!.id).toBe('g000002')
    expect(await site.equal()).toBe(true)
  }
})

test('a generation that is damaged itself is not made current, and hides none that is whole', async () => {
  await site.append(45)
  await site.streamUntil(site.countedAll)
  for (let runs = 0; runs < 4; runs++) {
    await site.generation()
    await site.append(20)
    await site.streamUntil(site.countedAll)
  }
  const place = join(site.lake(), 'meetup_rsvps/generations')
  // Generations that count other events name other files.
  const parquet = (id: string): string => {
    const { views } = JSON.parse(readFileSync(join(place, id, 'manifest.json'), 'utf8'))
    return join(place, '..', Object.values<{ files: { path: string }[] }>(views)[0]!.files.at(-1)!.path)
  }
  await site.whileClosed(() => {
    writeFileSync(join(place, 'g000002/manifest.json'), 'torn')
    const bytes = readFileSync(parquet('g000003'))
    bytes[10]! ^= 1
    writeFileSync(parquet('g000003'), bytes)
    rmSync(parquet('g000004'))
    writeFileSync(join(site.lake(), 'meetup_rsvps/CURRENT'), 'torn')
  })
  expect((await repair(site.open)).repairs).toMatchObject([
    { part: 'generation', outcome: 'repaired', message: expect.stringContaining('g000001 is current') },
  ])
  expect(await site.equal()).toBe(true)
})

test('a speed store that was emptied is filled again by the stream role', async () => {
  await site.append(45)
  await site.streamUntil(site.countedAll)
  while ((await site.open.store.deleteClosed(0, 1_000, 1_000)) > 0);
  expect(await site.counted()).toBe(40)
  expect((await repair(site.open)).repairs).toEqual([])
  await site.streamUntil(site.countedAll)
  expect(await site.equal()).toBe(true)
})

test('a damaged row of the open segment: a repair deletes its partials, and the log gives them again', async () => {
  await site.append(50)
  await site.streamUntil(site.countedAll)
  await site.whileClosed(() => {
    const db = new DatabaseSync(site.speedStore())
    db.exec(`UPDATE partials SET "row" = replace("row", '1', '2') WHERE "row" LIKE '%1%'`)
    db.close()
  })
  await expect(takeSnapshot(site.open)).rejects.toThrow(/a row of partition 0 differs .*doctor --repair/)
  const { repairs } = await repair(site.open)
  expect(repairs).toEqual([
    { part: 'speed store', outcome: 'repaired', message: expect.stringMatching(/replays the log from offset 40/) },
  ])
  await site.streamUntil(site.countedAll)
  expect(await site.equal()).toBe(true)
})
