import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import { CHECKPOINT_SEGMENTS } from '../blob-lake/chain-checkpoints.ts'
import { ASIDE } from '../blob-lake/partition-folder.ts'
import { DATASET, emptySegment } from '../lake-contract-fixture.ts'
import { segmentManifestName } from '../manifest-names.ts'
import { manifestText } from '../manifest-text.ts'
import {
  checkpoints,
  compact,
  EVERYTHING,
  expectSameChains,
  folder,
  inFolders,
  LENGTH,
  landMany,
  open,
  pathOf,
} from './checkpoints-fixture.ts'
import { FolderBlobs } from './folder-blobs.ts'
import type { LocalLake } from './local-lake.ts'
import { manifestFiles } from './manifest-files-fixture.ts'

inFolders()

it('whatever is landed, compacted, removed and checkpointed, every handle has the chains of the manifests', async () => {
  const steps = fc.array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant('land' as const), count: fc.integer({ min: 1, max: 70 }) }),
      },
      fc.record({ kind: fc.constant('compact' as const), from: fc.nat(60), count: fc.integer({ min: 2, max: 40 }) }),
      fc.record({ kind: fc.constant('remove' as const), share: fc.constantFrom(0.3, 0.7, 1), thorough: fc.boolean() }),
      fc.record({ kind: fc.constant('former' as const), at: fc.nat(60) }),
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('checkpoint' as const),
          share: fc.constantFrom(0.6, 1),
          thorough: fc.boolean(),
        }),
      },
    ),
    { minLength: 4, maxLength: 12, size: 'max' },
  )
  let seen = 0
  await fc.assert(
    fc.asyncProperty(steps, async (chosen) => {
      await rm(join(folder, DATASET), { recursive: true, force: true })
      const [writer, watching] = [await open(), await open()]
      await landMany(writer, 80)
      for (const step of chosen) {
        const [{ end } = { end: 0 }] = await writer.chains(1)
        if (step.kind === 'land') await landMany(writer, step.count)
        if (step.kind === 'remove') await writer.removeReplaced([end * step.share], 5_000, step)
        if (step.kind === 'checkpoint') seen += await writer.checkpoint([end * step.share], step)
        if (step.kind === 'compact') {
          const [chain] = await writer.chains(1, { compacted: true })
          const group = chain!.segments.slice(step.from, step.from + step.count)
          if (group.length > 1) await compact(writer, group)
        }
        // A former owner dies between its commit and its look for compacted segments.
        if (step.kind === 'former') {
          const start = step.at * LENGTH
          const wide = (await writer.chains(1))[0]!.segments.some(
            (one) => one.replaces && one.start < start && start < one.end,
          )
          const left = emptySegment(0, start, start + LENGTH / 2)
          if (wide) await writeFile(pathOf(left), manifestText(left, 'left'), { flag: 'wx' }).catch(() => {})
        }
        await expectSameChains(watching)
      }
      await expectSameChains(await open())
    }),
    { numRuns: 10 },
  )
  expect(seen).toBeGreaterThan(3)
})

it('what a removal leaves that a crash interrupts is removed after the next look at everything', async () => {
  const lake = await open()
  const landed = await landMany(lake, CHECKPOINT_SEGMENTS + 6)
  // Before the compacted segment was made.
  await lake.removeReplaced(EVERYTHING, 0)
  await lake.checkpoint(EVERYTHING)
  await compact(lake, landed.slice(0, 10))
  const crash = vi.spyOn(FolderBlobs.prototype, 'remove').mockRejectedValueOnce(new Error('killed'))
  await expect(lake.removeReplaced(EVERYTHING, 5_000, { thorough: false })).rejects.toThrow('killed')
  crash.mockRestore()
  const next = await open()
  const left = (): number => manifestFiles(join(folder, DATASET)).length
  await next.removeReplaced(EVERYTHING, 5_000, { thorough: false })
  expect(left()).toBe(landed.length + 1)
  await next.sweepOrphans(0, { thorough: true })
  await next.removeReplaced(EVERYTHING, 5_000, { thorough: false })
  expect(left()).toBe(landed.length + 1 - 10)
  await expectSameChains(next)
})

it('a reader sees every segment while others land, compact, remove and write checkpoints', async () => {
  const [owner, batch, reader] = [await open(), await open(), await open()]
  await landMany(owner, 10)
  let isDone = false
  const work = (async () => {
    for (let round = 0; round < 4; round++) {
      const landed = await landMany(owner, CHECKPOINT_SEGMENTS)
      await batch.checkpoint(EVERYTHING)
      await compact(batch, landed)
      await batch.removeReplaced(EVERYTHING, 5_000)
    }
  })().finally(() => {
    isDone = true
  })
  let end = 0
  while (!isDone)
    for (const lake of [reader, await open()]) {
      const before = end
      for (const compacted of [false, true]) end = Math.max(end, (await lake.chains(1, { compacted }))[0]!.end)
      expect((await lake.chain(0, 0)).end).toBeGreaterThanOrEqual(before)
    }
  await work
  expect((await (await open()).chains(1))[0]!.end).toBe((10 + 4 * CHECKPOINT_SEGMENTS) * LENGTH)
})

it('what another handle has changed is seen by the next holder of the batch lock, however short the time is', async () => {
  const [one, other, light] = [await open(), await open(), { thorough: false }]
  const landed = await landMany(one, 2 * CHECKPOINT_SEGMENTS + 6)
  const hold = async (lake: LocalLake, work: () => Promise<unknown>): Promise<void> => {
    const lock = await lake.tryLock('batch')
    await work()
    await lock!.release()
  }
  await hold(one, () => one.checkpoint([landed[CHECKPOINT_SEGMENTS]!.end], light))
  await hold(one, () => one.chains(1))
  // Between two looks of the first one, what its checkpoint has is compacted and removed, and a part is written anew.
  await hold(other, async () => {
    await compact(other, landed.slice(2, 9))
    await other.removeReplaced(EVERYTHING, 5_000, light)
  })
  await hold(one, async () => expect(await one.checkpoint(EVERYTHING, light)).toBe(1))
  expect(await checkpoints()).toHaveLength(1)
  await expectSameChains(await open())
})

it('a look after a commit asks only of the new manifest whether it was set aside', async () => {
  const [writer, reader] = [await open(), await open()]
  await landMany(writer, 50)
  await reader.chains(1)
  const [landed] = await landMany(writer, 1)
  const asked = vi.spyOn(ASIDE, 'exec')
  try {
    expect((await reader.chains(1))[0]!.segments).toHaveLength(51)
    expect([...new Set(asked.mock.calls.map(([name]) => name))]).toEqual([segmentManifestName(landed!)])
  } finally {
    asked.mockRestore()
  }
})
