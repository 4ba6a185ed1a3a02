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

/** A lake whose segments are all counted, and have a checkpoint. */
async function landedLake(): Promise<LocalLake> {
  const lake = await open()
  for (let start = 0; start < SEGMENTS * 10; start += 10) await lake.commitSegment(emptySegment(0, start, start + 10))
  const staged = await lake.beginGeneration()
  await staged.commit(emptyGeneration(staged.id, [SEGMENTS * 10]))
  await lake.setCurrent(staged.id)
  expect(await lake.checkpoint([SEGMENTS * 10])).toBe(1)
  return lake
}

test.each([
  ['its parts are left', '.checkpoint', /1 files of its segments are there/],
  ['nothing is left', '', /80 of its segments are counted/],
])(
  'a checkpoint that was deleted is mentioned, and written again by the next run or a repair: %s',
  async (_, ending, why) => {
    const lake = await landedLake()
    const chains = await lake.chains(1)
    const checkpoints = join(folder, DATASET, 'manifests/p0000/checkpoints')
    const removed = async () => {
      const names = (await readdir(checkpoints)).filter((name) => name.endsWith(ending))
      for (const name of names) await rm(join(checkpoints, name))
    }
    const files = async () => (await readdir(checkpoints)).map((file) => file.split('.')[1]).toSorted()
    await removed()
    const doctor = await open()
    const [finding, ...others] = await examineCheckpoints(doctor)
    expect(finding).toMatchObject({
      state: 'note',
      message: expect.stringMatching(/partition 0 has no checkpoint/),
      advice: expect.stringMatching(/next batch run writes one/),
    })
    expect(finding!.message).toMatch(why)
    expect(others).toEqual([])
    expect(await doctor.chains(1)).toEqual(chains)
    expect(await repairCheckpoints(doctor)).toEqual(['a checkpoint of partition 0 was written from the manifests'])
    expect([await examineCheckpoints(await open()), await files()]).toEqual([[], ['checkpoint', 'segments']])
    await removed()
    // As an incremental run does.
    expect(await (await open()).checkpoint([SEGMENTS * 10], { thorough: false })).toBe(1)
    expect([await examineCheckpoints(await open()), await files()]).toEqual([[], ['checkpoint', 'segments']])
  },
)

test('a torn checkpoint is reported, and written again from the manifests', async () => {
  const lake = await landedLake()
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
