import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DATASET, emptyGeneration, emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { examineCheckpoints, repairCheckpoints } from './repair-checkpoints.ts'

const SEGMENTS = 80

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'doctor-checkpoints-'))
})
afterEach(() => rm(folder, { recursive: true }))

const open = () => LocalLake.open({ folder, dataset: DATASET })

test('a torn checkpoint is reported, and written again from the manifests', async () => {
  const lake = await open()
  for (let start = 0; start < SEGMENTS * 10; start += 10) await lake.commitSegment(emptySegment(0, start, start + 10))
  const staged = await lake.beginGeneration()
  await staged.commit(emptyGeneration(staged.id, [SEGMENTS * 10]))
  await lake.setCurrent(staged.id)
  expect(await lake.checkpoint([SEGMENTS * 10])).toBe(1)
  const chains = await lake.chains(1)
  expect([await examineCheckpoints(lake), await repairCheckpoints(lake)]).toEqual([[], []])
  const checkpoints = join(folder, DATASET, 'manifests/p0000/checkpoints')
  const name = (await readdir(checkpoints)).find((file) => file.endsWith('.checkpoint'))
  await truncate(join(checkpoints, name!), 200)
  const doctor = await open()
  expect(await doctor.chains(1)).toEqual(chains)
  expect(await examineCheckpoints(doctor)).toMatchObject([
    {
      part: 'lake',
      state: 'attention',
      message: expect.stringMatching(/of partition 0 does not agree .*not complete JSON/),
    },
  ])
  const running = await doctor.tryLock('batch')
  await expect(repairCheckpoints(doctor)).rejects.toThrow(/a batch run is in progress/)
  await running!.release()
  expect(await repairCheckpoints(doctor)).toEqual([expect.stringContaining('was replaced from the manifests')])
  expect(await examineCheckpoints(await open())).toEqual([])
  expect((await readdir(checkpoints)).map((file) => file.split('.')[1]).toSorted()).toEqual(['checkpoint', 'segments'])
  expect(await (await open()).chains(1)).toEqual(chains)
})
