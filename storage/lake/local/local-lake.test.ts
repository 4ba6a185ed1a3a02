import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { smallDisk } from '#storage/log/small-disk.ts'
import { DATASET, emptySegment } from '../lake-contract-fixture.ts'
import { manifestPath, segmentManifestName } from '../manifest-names.ts'
import { manifestText } from '../manifest-text.ts'
import { LocalLake } from './local-lake.ts'
import { publishStates } from './local-lake-fixture.ts'
import { manifestFiles } from './manifest-files-fixture.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lake-'))
})
afterEach(() => rm(folder, { recursive: true }))

const open = () => LocalLake.open({ folder, dataset: DATASET })

const manifestAt = (start: number): string =>
  join(folder, DATASET, manifestPath(segmentManifestName(emptySegment(0, start, start + 10))))

async function land(lake: LocalLake, start: number, end: number) {
  const staged = await lake.stageSegmentFile(0, start, 'events')
  await writeFile(staged.writePath, `events from ${start}`)
  const manifest = { ...emptySegment(0, start, end), events: await staged.finish(end - start), rows: end - start }
  expect(await lake.commitSegment(manifest)).toEqual({ outcome: 'committed' })
  return manifest
}

describe('a manifest that cannot be believed', () => {
  const edits: Record<string, { edit(text: string): string; says: RegExp }> = {
    'is torn': { edit: (text) => text.slice(0, text.length / 2), says: /not complete JSON/ },
    'is empty': { edit: () => '', says: /not complete JSON/ },
    'is zeros': { edit: (text) => '\0'.repeat(text.length), says: /not complete JSON/ },
    'was edited': { edit: (text) => text.replace('"rows": 10', '"rows": 11'), says: /'checksum' does not match/ },
    'is foreign': { edit: () => '{"hello":"world"}', says: /'checksum' is missing/ },
    'belongs to another dataset': {
      edit: () => manifestText({ ...emptySegment(0, 0, 10), dataset: 'other' }, 'x'),
      says: /'dataset' is 'other'/,
    },
    'has another name': {
      edit: () => manifestText(emptySegment(0, 5, 10), 'x'),
      says: /belong to 'p0000-0*5\.json'/,
    },
  }
  for (const [what, { edit, says }] of Object.entries(edits)) {
    it(`because it ${what} is refused by name, and read again once it is repaired`, async () => {
      const manifest = await land(await open(), 0, 10)
      const good = await readFile(manifestAt(0), 'utf8')
      await writeFile(manifestAt(0), edit(good))
      const reader = await open()
      await expect(reader.chains(1)).rejects.toMatchObject({
        code: 'manifest-damaged',
        message: expect.stringContaining(manifestAt(0)),
      })
      await expect(reader.chains(1)).rejects.toThrow(says)
      await writeFile(manifestAt(0), good)
      expect((await reader.chains(1))[0]!.segments).toEqual([manifest])
    })
  }

  it('names the field of a value that is out of place', () => {
    const odd = { ...emptySegment(0, 0, 10), late: { rows: -1, maxMs: 0 } }
    expect(() => manifestText(odd, 'here')).toThrow(/'here' .*field 'late.rows'/)
    const outside = { path: '../../etc/passwd', bytes: 1, rows: 1, sha256: '0'.repeat(64) }
    expect(() => manifestText({ ...emptySegment(0, 0, 10), rows: 1, events: outside }, 'here')).toThrow(/'events.path'/)
  })

  it('is not said to be damaged if another version wrote it', async () => {
    await land(await open(), 0, 10)
    const text = await readFile(manifestAt(0), 'utf8')
    const lake = await open()
    await writeFile(manifestAt(0), text.replace('"format": 1', '"format": 5'))
    await expect(lake.chains(1)).rejects.toMatchObject({
      code: 'manifest-format',
      message: expect.stringMatching(/a newer version of Watershed: it has format 5, but this version reads format 1/),
    })
    const generation = await publishStates(lake)
    const path = join(folder, DATASET, 'generations', generation.id, 'manifest.json')
    await writeFile(path, (await readFile(path, 'utf8')).replace('"format": 4', '"format": 1'))
    await expect((await open()).current()).rejects.toThrow(/an older version .* format 1, .* reads format 2/)
  })

  it('of a generation that is not current keeps no other one from being listed, swept around and removed', async () => {
    const lake = await open()
    const [old, next] = [await publishStates(lake, 'old states'), await publishStates(lake)]
    const path = join(folder, DATASET, 'generations', old.id, 'manifest.json')
    await writeFile(path, 'torn')
    const reader = await open()
    expect(await reader.generations()).toEqual([next])
    expect(await reader.unreadableGenerations()).toEqual([
      {
        id: old.id,
        error: expect.objectContaining({ code: 'manifest-damaged', message: expect.stringContaining(path) }),
      },
    ])
    expect((await reader.verifyFiles()).problems).toEqual([expect.stringContaining(path)])
    const [own] = old.views.v!.files
    await reader.sweepOrphans(-60_000)
    expect(await readFile(path, 'utf8')).toBe('torn')
    expect(() => reader.resolve(own!)).not.toThrow()
    await reader.removeGeneration(old.id)
    await reader.sweepOrphans(-60_000)
    expect(() => reader.resolve(own!)).toThrow(/does not exist/)
    expect([await reader.unreadableGenerations(), await reader.generationIds()]).toEqual([[], [next.id]])
  })

  it('covers CURRENT and generations', async () => {
    const lake = await open()
    const generation = await publishStates(lake)
    const path = join(folder, DATASET, 'generations', generation.id, 'manifest.json')
    const good = await readFile(path, 'utf8')
    await writeFile(path, good.replace('"rows": 10', '"rows": 12'))
    await expect((await open()).current()).rejects.toThrow(/manifest\.json' is damaged.*'checksum'/)
    await writeFile(path, good)
    expect(await (await open()).current()).toEqual(generation)
    await writeFile(join(folder, DATASET, 'CURRENT'), '')
    await expect(lake.current()).rejects.toThrow(/CURRENT' is damaged or foreign: it must contain a generation id/)
    await writeFile(join(folder, DATASET, 'CURRENT'), 'g000009\n')
    await expect(lake.current()).rejects.toMatchObject({ code: 'generation-lost' })
  })
})

test('a torn record of a verification counts for nothing, and is replaced by the next one', async () => {
  const lake = await open()
  await writeFile(join(folder, DATASET, 'VERIFIED'), '{"atMs": 5, "equ')
  expect(await lake.verification()).toBeNull()
  const record = { atMs: 5, equal: true, generation: 'g000001', fullFinishedAtMs: 4 }
  await lake.recordVerification(record)
  expect(await lake.verification()).toEqual(record)
})

describe('files', () => {
  it('that are strangers are left alone', async () => {
    const lake = await open()
    const manifest = await land(lake, 0, 10)
    const generation = await publishStates(lake)
    const strangers = [
      'manifests/p0000/readme.json',
      'manifests/p0000/0000000000/.DS_Store',
      'manifests/p0000/0000000000/p0000-0000000001000000.json',
      'manifests/p0000/0000000000/p0001-0000000000000010.json',
      'manifests/.DS_Store',
      'manifests/readme.txt',
      'manifests/p0000-1.json',
      'manifests/.p0000-x.json-abc.inprogress',
      'segments/p0000/notes.parquet',
      'generations/readme',
      'generations/g1',
    ]
    for (const name of strangers) await writeFile(join(folder, DATASET, name), 'stranger')
    await mkdir(join(folder, DATASET, 'generations', 'old'))
    const fresh = await open()
    expect((await fresh.chains(1))[0]!.segments).toEqual([manifest])
    expect(await fresh.generations()).toEqual([generation])
    await fresh.sweepOrphans(-60_000)
    const left = await readdir(join(folder, DATASET), { recursive: true })
    for (const name of strangers.filter((stranger) => !stranger.endsWith('.inprogress'))) expect(left).toContain(name)
    expect(left.filter((name) => name.endsWith('.inprogress'))).toEqual([])
  })

  it('that are missing or cut short are named when they are asked for; other damage by verifyFiles', async () => {
    const lake = await open()
    const [first, second, third] = [await land(lake, 0, 10), await land(lake, 10, 20), await land(lake, 20, 30)]
    await rm(lake.resolve(first.events!))
    await truncate(lake.resolve(second.events!), 3)
    const thirdPath = lake.resolve(third.events!)
    await writeFile(thirdPath, 'EVENTS from 20')
    expect(() => lake.resolve(first.events!)).toThrow(/named in a manifest, but does not exist/)
    expect(() => lake.resolve(second.events!)).toThrow(/has 3 bytes, but its manifest says 14/)
    expect(lake.resolve(third.events!)).toBe(thirdPath)
    const { files, problems } = await lake.verifyFiles()
    expect(files).toBe(3)
    expect(problems).toEqual([
      expect.stringContaining('is missing'),
      expect.stringContaining('has 3 bytes'),
      expect.stringContaining('does not have the checksum'),
    ])
  })

  it('that were edited in place are found, also after they were found whole', async () => {
    const lake = await open()
    const { events } = await land(lake, 0, 10)
    await lake.check([events!])
    const path = lake.resolve(events!)
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.toUpperCase())
    await expect(lake.check([events!])).rejects.toMatchObject({
      code: 'file-damaged',
      message: expect.stringContaining(path),
    })
    await writeFile(path, text)
    await lake.check([events!])
    await rm(path)
    await expect(lake.check([events!])).rejects.toMatchObject({ code: 'file-missing' })
  })

  it('of a manifest are looked at before it is committed', async () => {
    const lake = await open()
    const staged = await lake.stageSegmentFile(0, 0, 'events')
    await writeFile(staged.writePath, 'x')
    const events = await staged.finish(10)
    await rm(lake.resolve(events))
    await expect(lake.commitSegment({ ...emptySegment(0, 0, 10), rows: 10, events })).rejects.toMatchObject({
      code: 'file-missing',
    })
    expect((await lake.chains(1))[0]!.segments).toEqual([])
  })

  it('never overwrite one another', async () => {
    const lake = await open()
    const staged = await lake.stageSegmentFile(0, 0, 'events')
    await writeFile(staged.writePath, 'new')
    await writeFile(staged.writePath.replace('.inprogress', ''), 'old')
    await expect(staged.finish(1)).rejects.toMatchObject({ code: 'already-committed' })
  })
})

describe('many manifests', () => {
  it('are parsed once, and a new one is seen at once', async () => {
    const lake = await open()
    await land(lake, 0, 10)
    await lake.chains(1)
    const path = manifestAt(0)
    await writeFile(path, 'not read again')
    for (let start = 10; start < 200; start += 10) {
      await (await open()).commitSegment(emptySegment(0, start, start + 10))
      expect((await lake.chains(1))[0]!.end).toBe(start + 10)
    }
  })
})

describe('a disk', () => {
  it('that is full gives a clear error, keeps what is there, and goes on when space returns', async ({ skip }) => {
    const disk = smallDisk('256k')
    if (disk === null) return skip('no tmpfs can be mounted here')
    const place = disk.folder
    try {
      const lake = await LocalLake.open({ folder: place, dataset: DATASET })
      const manifest = await land(lake, 0, 10)
      const filler = join(place, 'filler')
      await writeFile(filler, Buffer.alloc(1024 * 1024)).catch(() => {})
      await expect(lake.commitSegment(emptySegment(0, 10, 20))).rejects.toMatchObject({
        code: 'disk-full',
        retryable: true,
        message: expect.stringMatching(/manifests.*the disk is full/),
      })
      expect((await lake.chains(1))[0]!.segments).toEqual([manifest])
      await rm(filler)
      const left = manifestFiles(join(place, DATASET)).map((path) => basename(path))
      expect(left).toEqual([segmentManifestName(manifest)])
      const all = await readdir(join(place, DATASET, 'manifests'), { recursive: true })
      expect(all.filter((name) => name.endsWith('.inprogress'))).toEqual([])
      expect(await lake.commitSegment(emptySegment(0, 10, 20))).toEqual({ outcome: 'committed' })
    } finally {
      disk.remove()
    }
  })

  it('that is read-only gives a clear error, and can still be read', async ({ skip }) => {
    const disk = smallDisk('1m')
    if (disk === null) return skip('no tmpfs can be mounted here')
    const place = disk.folder
    try {
      const lake = await LocalLake.open({ folder: place, dataset: DATASET })
      const manifest = await land(lake, 0, 10)
      const generation = await publishStates(lake)
      disk.makeReadOnly()
      expect((await lake.chains(1))[0]!.segments).toEqual([manifest])
      expect(await (await LocalLake.open({ folder: place, dataset: DATASET })).current()).toEqual(generation)
      const readOnly = { code: 'not-writable', message: expect.stringContaining(place) }
      await expect(lake.commitSegment(emptySegment(0, 10, 20))).rejects.toMatchObject(readOnly)
      await expect(lake.stageSegmentFile(1, 0, 'events')).rejects.toMatchObject(readOnly)
      await expect(lake.beginGeneration()).rejects.toMatchObject(readOnly)
      await expect(lake.setCurrent(generation.id)).rejects.toMatchObject(readOnly)
      await expect(lake.tryLock('batch')).rejects.toMatchObject(readOnly)
    } finally {
      disk.remove()
    }
  })
})
