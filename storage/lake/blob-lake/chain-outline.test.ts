import { expect, test, vi } from 'vitest'
import { DATASET, emptySegment } from '../lake-contract-fixture.ts'
import { LakeError } from '../lake-error.ts'
import { segmentManifestName } from '../manifest-names.ts'
import { outlineChain } from './chain-outline.ts'

const PARTITION = 200

test('the outline of a partition builds no chains of those before it', async () => {
  const behind = [emptySegment(PARTITION, 0, 10), emptySegment(PARTITION, 10, 20)]
  const damaged = new Map<string, LakeError>()
  const looked = vi.spyOn(damaged, Symbol.iterator)
  const chain = { dataset: DATASET, partition: PARTITION, checkpoint: null, behind, damaged, open: async () => [] }
  expect(await outlineChain(chain, () => true)).toMatchObject({ end: 20, groups: [{ segments: behind }] })
  // Of both chains: behind the end, and before it.
  expect(looked).toHaveBeenCalledTimes(4)
})

test('a manifest that is damaged is reported where its partition is outlined', async () => {
  const name = segmentManifestName(emptySegment(PARTITION, 10, 20))
  const damaged = new Map([[name, new LakeError('manifest-damaged', 'torn')]])
  const chain = { dataset: DATASET, checkpoint: null, behind: [], damaged, open: async () => [] }
  await expect(outlineChain({ ...chain, partition: PARTITION }, () => true)).rejects.toThrow('torn')
  expect((await outlineChain({ ...chain, partition: 3 }, () => true)).groups).toEqual([])
})
