/**
 * What a lake in a bucket asks of its server: requests, counted, on a lake of 1,700 closed segments beside one with a tenth of them. The start of a
 * process, a look, a commit and the look after it must not take more because there is more history.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CheckpointFiles } from '#storage/lake/blob-lake/checkpoint-files.ts'
import { DATASET, emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import { manifestPath, segmentManifestName } from '#storage/lake/manifest-names.ts'
import { manifestText } from '#storage/lake/manifest-text.ts'
import { ObjectCache } from '#storage/lake/s3/object-cache.ts'
import { S3Blobs } from '#storage/lake/s3/s3-blobs.ts'
import { S3Fixture } from '../servers/s3-lakes.ts'
import { S3Proxy } from '../servers/s3-proxy.ts'
import { whyNoS3 } from '../servers/s3-server.ts'

const PARTITIONS = 2
/** of a segment: a hundred of them fill a folder */
const OFFSETS = 10_000
/** closed since the checkpoint, by partition */
const BEHIND = 5
const WRITTEN_AT_ONCE = 16

describe.skipIf(whyNoS3() !== null)('requests of a lake in a bucket', () => {
  let s3: S3Fixture
  let proxy: S3Proxy
  beforeAll(async () => {
    s3 = await S3Fixture.start()
    proxy = await S3Proxy.start(s3.server.endpoint)
  })
  afterAll(async () => {
    await proxy.stop()
    await s3.stop()
  })

  /** @param segments of each partition */
  async function writeLake(prefix: string, segments: number): Promise<void> {
    const blobs = new S3Blobs(
      DATASET,
      s3.store(prefix),
      new ObjectCache({ folder: join(s3.folder, prefix), bytesMax: 1_000_000 }),
    )
    const checkpoints = new CheckpointFiles(blobs, DATASET)
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const chain = Array.from({ length: segments }, (_, at) =>
        emptySegment(partition, at * OFFSETS, (at + 1) * OFFSETS),
      )
      for (let from = 0; from < segments; from += WRITTEN_AT_ONCE)
        await Promise.all(
          chain.slice(from, from + WRITTEN_AT_ONCE).map((segment) => {
            const path = manifestPath(segmentManifestName(segment))
            return blobs.create(path, manifestText(segment, path))
          }),
        )
      await checkpoints.write(partition, chain.slice(0, -BEHIND))
    }
  }

  /** Requests by step, each as its method. */
  async function countedOn(segments: number): Promise<Record<string, Record<string, number>>> {
    const prefix = s3.prefix()
    await writeLake(prefix, segments)
    const [writer, reader] = [
      await s3.open(prefix, { endpoint: proxy.endpoint }),
      await s3.open(prefix, { endpoint: proxy.endpoint }),
    ]
    const counts: Record<string, Record<string, number>> = {}
    const step = async (name: string, work: () => Promise<unknown>): Promise<void> => {
      proxy.seen.length = 0
      await work()
      const kinds = proxy.seen.map(({ method, path }) => (path.includes('list-type=2') ? 'LIST' : method))
      counts[name] = Object.fromEntries(
        [...Map.groupBy(kinds, (kind) => kind)].map(([kind, all]) => [kind, all.length]),
      )
    }
    await step('start', () => reader.chains(PARTITIONS))
    await step('look', () => reader.chains(PARTITIONS))
    await step('commit', () => writer.commitSegment(emptySegment(0, segments * OFFSETS, segments * OFFSETS + 10)))
    await step('after', () => reader.chains(PARTITIONS))
    return counts
  }

  test('do not grow with history', async () => {
    const [few, many] = [await countedOn(85), await countedOn(850)]
    expect(many).toEqual(few)
    expect(many.look).toEqual({ GET: 1 })
    // The checkpoint's manifests are not read again, and behind the last segment one GET finds nothing.
    expect(many.after!.GET).toBeLessThanOrEqual(1 + 1 + PARTITIONS)
  })
})
