/** What would be left of the lake after a power loss: only what was synced. Every fsync of this process is recorded. */
import { createHash } from 'node:crypto'
import { readdirSync, readlinkSync, statSync } from 'node:fs'
import { type FileHandle, mkdir, mkdtemp, open as openFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { StepName } from '#core/steps.ts'
import { DATASET, emptyGeneration, emptySegment } from '../lake-contract-fixture.ts'
import { manifestPath, segmentManifestName } from '../manifest-names.ts'
import type { LakeFile } from '../segment-manifest.ts'
import { LocalLake } from './local-lake.ts'

let folder: string
/** inode → size when its content was synced */
const contents = new Map<bigint, bigint>()
/** folder → its entries when it was synced */
const entries = new Map<string, ReadonlyMap<string, bigint>>()

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'durable-'))
  const handle = await openFile(folder)
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const { sync } = prototype
  vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
    await sync.call(this)
    noteSynced(readlinkSync(`/proc/self/fd/${this.fd}`))
  })
})
afterEach(async () => {
  vi.restoreAllMocks()
  contents.clear()
  entries.clear()
  await rm(folder, { recursive: true })
})

function noteSynced(path: string): void {
  const found = statSync(path, { bigint: true })
  if (found.isDirectory()) entries.set(path, entriesOf(path))
  else contents.set(found.ino, found.size)
}

function entriesOf(path: string): Map<string, bigint> {
  return new Map(readdirSync(path).map((name) => [name, statSync(join(path, name), { bigint: true }).ino]))
}

/** Why the file would not be there, or not whole; null: it would. */
function lossOf(path: string): string | null {
  const { ino, size } = statSync(path, { bigint: true })
  if (contents.get(ino) !== size) return `the content of ${path} was not synced`
  for (let below = path; below !== folder; below = dirname(below)) {
    const synced = entries.get(dirname(below))?.get(below.slice(dirname(below).length + 1))
    if (synced !== statSync(below, { bigint: true }).ino) return `the name ${below} was not synced`
  }
  return null
}

async function open(step?: (name: StepName) => void): Promise<LocalLake> {
  return LocalLake.open({ folder, dataset: DATASET, step })
}

async function landed(lake: LocalLake, start: number, end: number) {
  const staged = await lake.stageSegmentFile(0, start, 'events')
  await writeFile(staged.writePath, `events from ${start}`)
  const events = await staged.finish(end - start)
  return { ...emptySegment(0, start, end), events, rows: end - start }
}

const manifestOf = (lake: LocalLake, segment: Parameters<typeof segmentManifestName>[0]): string =>
  join(lake.folder, manifestPath(segmentManifestName(segment)))

test('a segment: its files before its manifest, and its manifest before the commit returns', async () => {
  const steps: (string | null)[] = []
  let events: LakeFile | null = null
  const lake = await open((name) => {
    if (name === 'segment:before-manifest') steps.push(lossOf(join(lake.folder, events!.path)))
  })
  const manifest = await landed(lake, 0, 10)
  events = manifest.events
  await lake.commitSegment(manifest)
  expect(steps).toEqual([null])
  expect(lossOf(manifestOf(lake, manifest))).toBeNull()
})

test('a compacted segment, and the removal of what it replaces before its files are removed', async () => {
  const lake = await open()
  const parts = [await landed(lake, 0, 10), await landed(lake, 10, 20)]
  for (const part of parts) await lake.commitSegment(part)
  const large = { ...(await landed(lake, 0, 20)), replaces: parts.map(segmentManifestName) }
  await lake.commitCompacted(large)
  expect(lossOf(manifestOf(lake, large))).toBeNull()
  await lake.removeReplaced([20], Number.MAX_SAFE_INTEGER)
  const folderOf = (segment: Parameters<typeof segmentManifestName>[0]) => dirname(manifestOf(lake, segment))
  expect([...entries.get(folderOf(large))!.keys()]).toEqual([segmentManifestName(large)])
  expect([...entries.get(folderOf(parts[0]!))!.keys()]).toEqual([])
})

test('REMOVED is written without fsync; if it is lost, the next removal lists all manifests', async () => {
  const lake = await open()
  await lake.commitSegment(await landed(lake, 0, 10))
  await lake.removeReplaced([0], Number.MAX_SAFE_INTEGER)
  contents.clear()
  entries.clear()
  await lake.removeReplaced([0], Number.MAX_SAFE_INTEGER, { thorough: false })
  expect([contents.size, entries.size]).toEqual([0, 0])
  await writeFile(join(lake.folder, 'REMOVED'), '')
  await lake.removeReplaced([10], Number.MAX_SAFE_INTEGER, { thorough: false })
  expect(readdirSync(lake.folder)).toContain('REMOVED')
})

test('a generation: its files, also those taken over, before its manifest, and its manifest before CURRENT', async () => {
  const seen: [StepName, string | null][] = []
  const lake = await open((name) => {
    const places = join(lake.folder, 'generations')
    const [newest] = readdirSync(places).sort().reverse()
    if (name === 'generation:published') seen.push([name, lossOf(join(places, newest!, 'manifest.json'))])
    if (name !== 'generation:before-current') return
    const next = readdirSync(lake.folder).find((file) => file.startsWith('.CURRENT'))!
    const { ino, size } = statSync(join(lake.folder, next), { bigint: true })
    seen.push([name, contents.get(ino) === size ? null : 'the content of CURRENT was not synced'])
  })
  const staged = await lake.beginGeneration()
  const view = await staged.stageFile('states', 'v')
  await writeFile(view.writePath, 'states')
  const file = await view.finish(1)
  expect(lossOf(join(lake.folder, file.path))).toBeNull()
  await staged.commit({ ...emptyGeneration(staged.id, [10]), views: { v: { hash: 'h', files: [file] } }, rows: 10 })
  await lake.setCurrent(staged.id)
  expect(seen).toEqual([
    ['generation:published', null],
    ['generation:before-current', null],
  ])
  expect(lossOf(join(lake.folder, 'CURRENT'))).toBeNull()
  const next = await lake.beginGeneration()
  expect(lossOf(join(lake.folder, (await next.refer('states', 'v', file)).path))).toBeNull()
})

test('a file of an earlier version that a generation takes over: its new name', async () => {
  const lake = await open()
  const path = 'generations/g000001/v.parquet'
  await mkdir(dirname(join(lake.folder, path)), { recursive: true })
  const handle = await openFile(join(lake.folder, path), 'w')
  await handle.writeFile('states')
  await handle.sync()
  await handle.close()
  const sha256 = createHash('sha256').update('states').digest('hex')
  const staged = await lake.beginGeneration()
  const taken = await staged.refer('states', 'v', { path, bytes: 6, rows: 1, sha256 })
  expect(lossOf(join(lake.folder, taken.path))).toBeNull()
})

test('the result of a verification, and a refusal until it is lifted', async () => {
  const lake = await open()
  await lake.recordVerification({ atMs: 5, equal: true, generation: null, fullFinishedAtMs: null })
  expect(lossOf(join(lake.folder, 'VERIFIED'))).toBeNull()
  await lake.refuse({ partition: 0, why: 'it was cut', atMs: 1 })
  const refusals = join(lake.folder, 'refusals')
  expect(lossOf(join(refusals, 'p0000.json'))).toBeNull()
  await lake.liftRefusal(0)
  expect([...entries.get(refusals)!.keys()]).toEqual(await readdir(refusals))
})
