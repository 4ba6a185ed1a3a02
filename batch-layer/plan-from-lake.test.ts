/** What an incremental run reads of the past: nothing, and its totals are right all the same. */
import { readdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHECKPOINT_SEGMENTS } from '#storage/lake/blob-lake/chain-checkpoints.ts'
import { emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import { manifestPath, segmentManifestName } from '#storage/lake/manifest-names.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { BatchFixture, LOG, PARTITIONS } from './batch-fixture.ts'

let batch: BatchFixture
beforeAll(async () => {
  batch = await BatchFixture.open()
})
afterAll(() => batch.close())

async function commitEmpty(more: Partial<SegmentManifest>): Promise<SegmentManifest> {
  const { end } = (await batch.lake.chains(PARTITIONS))[0]!
  const { dataset, nowMs } = batch
  const made = { ...emptySegment(0, end, end + 2), dataset: dataset.name, log: LOG, createdAtMs: nowMs, ...more }
  expect(await batch.lake.commitSegment(made)).toEqual({ outcome: 'committed' })
  return made
}

test('an incremental run opens no segment that its base counts, and has the totals of a full one', async () => {
  await batch.land(0, 50, 3)
  await batch.land(1, 20, 1)
  const lost = await commitEmpty({ kind: 'gap' })
  for (let made = 0; made < CHECKPOINT_SEGMENTS; made++) await commitEmpty({ unconverted: { guests: 1 } })
  await batch.run({ mode: 'full' })

  const folder = join(batch.lake.folder, 'manifests/p0000/checkpoints')
  const [part] = readdirSync(folder).filter((name) => name.endsWith('.segments'))
  const unread = [join(folder, part!), join(batch.lake.folder, manifestPath(segmentManifestName(lost)))]
  const texts = await Promise.all(unread.map((path) => readFile(path, 'utf8')))
  await batch.land(0, 40, 2)
  await commitEmpty({ kind: 'gap' })
  await commitEmpty({ unconverted: { guests: 2, member: 1 } })
  await batch.land(1, 10)
  for (const path of unread) await writeFile(path, 'not opened')
  const incremental = await batch.run({ mode: 'incremental', lake: await batch.openLake() })
  for (const [place, path] of unread.entries()) await writeFile(path, texts[place]!)

  await batch.expectRecount(incremental)
  await batch.expectAllCounted(incremental)
  expect(batch.events.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([])
  const full = await batch.run({ mode: 'full' })
  const totals = ({ boundary, rows, deadLetters, lateRows, unconverted, gaps }: NonNullable<typeof full>) => {
    return { boundary, rows, deadLetters, lateRows, unconverted, gaps }
  }
  expect(totals(incremental!)).toEqual(totals(full!))
  expect(incremental!.gaps).toHaveLength(2)
  expect(incremental!.unconverted).toEqual({ guests: CHECKPOINT_SEGMENTS + 2, member: 1 })
})
