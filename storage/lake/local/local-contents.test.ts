import { createHash } from 'node:crypto'
import { promises as fs } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '#tests/until.ts'
import type { GenerationManifest } from '../generation-manifest.ts'
import { DATASET, emptyGeneration } from '../lake-contract-fixture.ts'
import { generationId } from '../manifest-names.ts'
import { manifestText } from '../manifest-text.ts'
import { LocalLake } from './local-lake.ts'
import { publishStates } from './local-lake-fixture.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'contents-'))
})
afterEach(() => rm(folder, { recursive: true }))

const open = () => LocalLake.open({ folder, dataset: DATASET })

test('a file takes the place of a damaged file of that name', async () => {
  const lake = await open()
  const first = await publishStates(lake, 'states')
  const [file] = first.views.v!.files
  await writeFile(lake.resolve(file!), 'staets')
  const second = await publishStates(lake, 'states')
  expect(second.views.v!.files).toEqual([file])
  await lake.check([file!])
  expect(await readFile(lake.resolve(file!), 'utf8')).toBe('states')
})

test('what a run has written itself is not read again to be checked, until it is changed', async () => {
  const lake = await open()
  const { views } = await publishStates(lake, 'states')
  const [file] = views.v!.files
  const opened = await filesOpenedBy(() => lake.check([file!]))
  expect(opened).toEqual([])
  const another = await open()
  expect(await filesOpenedBy(() => another.check([file!]))).toEqual([lake.resolve(file!)])
  await writeFile(lake.resolve(file!), 'staets')
  await expect(lake.check([file!])).rejects.toMatchObject({ code: 'file-damaged' })
})

/** Paths that are opened, as checksums are computed. */
async function filesOpenedBy(work: () => Promise<unknown>): Promise<string[]> {
  const opened: string[] = []
  const { open: original } = fs
  fs.open = (path, ...given) => {
    opened.push(String(path))
    return original(path, ...given)
  }
  syncBuiltinESMExports()
  try {
    await work()
    return opened
  } finally {
    fs.open = original
    syncBuiltinESMExports()
  }
}

test('files remain for readers of a removed generation until they have been unneeded for a time', async () => {
  const lake = await open()
  const old = await publishStates(lake, 'old states')
  const [file] = old.views.v!.files
  await utimes(lake.resolve(file!), 1_000, 1_000)
  await publishStates(lake, 'states')
  await lake.removeGeneration(old.id)
  expect(await lake.sweepOrphans(3_600_000)).toBe(0)
  expect(await readFile(lake.resolve(file!), 'utf8')).toBe('old states')
  await utimes(lake.resolve(file!), 1_000, 1_000)
  expect(await lake.sweepOrphans(3_600_000)).toBe('old states'.length)
})

test('a reader keeps nothing of generations that another process has removed', async () => {
  const [writer, reader] = [await open(), await open()]
  const seen: WeakRef<GenerationManifest>[] = []
  for (let run = 0; run < 5; run++) {
    const { id } = await publishStates(writer, `states ${run}`)
    seen.push(new WeakRef((await reader.current())!))
    if (run > 0) await writer.removeGeneration(generationId(run))
    expect(id).toBe(generationId(run + 1))
  }
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  await until('they are collected', () => {
    collect()
    return seen.slice(0, -2).every((manifest) => manifest.deref() === undefined)
  })
  expect((await reader.current())!.id).toBe(generationId(5))
})

test('a new generation takes over the files of generations of earlier versions, which had files of their own', async () => {
  const lake = await open()
  const place = join(folder, DATASET, 'generations', 'g000001')
  await mkdir(place, { recursive: true })
  await writeFile(join(place, 'v.parquet'), 'states')
  const sha256 = createHash('sha256').update('states').digest('hex')
  const file = { path: 'generations/g000001/v.parquet', bytes: 6, rows: 1, sha256 }
  const old: GenerationManifest = {
    ...emptyGeneration('g000001', [10]),
    format: 2,
    views: { v: { hash: 'h', files: [file] } },
  }
  await writeFile(join(place, 'manifest.json'), manifestText(old, 'x'))
  await lake.setCurrent('g000001')
  expect(await lake.current()).toEqual(old)
  const staged = await lake.beginGeneration()
  const referred = await staged.refer('states', 'v', file)
  expect(referred).toEqual({ ...file, path: `states/v/${sha256}.parquet` })
  await staged.commit({ ...old, format: 4, id: staged.id, views: { v: { hash: 'h', files: [referred] } } })
  await lake.setCurrent(staged.id)
  await lake.removeGeneration('g000001')
  await lake.sweepOrphans(-60_000)
  expect(await readFile(lake.resolve(referred), 'utf8')).toBe('states')
  expect((await lake.verifyFiles()).problems).toEqual([])
})
