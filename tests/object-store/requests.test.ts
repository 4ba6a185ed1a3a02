/**
 * What a lake in a bucket asks of its server: requests, counted, on a lake of 1,700 closed segments beside one with a tenth of them. The start of a
 * process, a look, a commit, the look after it, a slice of the proof and a compaction must not take more because there is more history; nor must another reading of a Delta table.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lookForSmall } from '#batch-layer/small-segments.ts'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { CheckpointFiles } from '#storage/lake/blob-lake/checkpoint-files.ts'
import { DATASET, emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import { manifestPath, segmentManifestName } from '#storage/lake/manifest-names.ts'
import { manifestText } from '#storage/lake/manifest-text.ts'
import { ObjectCache } from '#storage/lake/s3/object-cache.ts'
import { S3Blobs } from '#storage/lake/s3/s3-blobs.ts'
import { DeltaLog } from '#storage/tables/delta-log.ts'
import { deltaSchema } from '#storage/tables/delta-schema.ts'
import { groupsWithin } from '#verification/slice.ts'
import { S3Fixture } from '../servers/s3-lakes.ts'
import { S3Proxy } from '../servers/s3-proxy.ts'
import { whyNoS3 } from '../servers/s3-server.ts'

const PARTITIONS = 2
/** of a segment: a hundred of them fill a folder */
const OFFSETS = 10_000
/** closed since the checkpoint, by partition */
const BEHIND = 5
const WRITTEN_AT_ONCE = 16

const connection = await testConnection()

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
      const chain = Array.from({ length: segments }, (_, at) => ({
        ...emptySegment(partition, at * OFFSETS, (at + 1) * OFFSETS),
        timeRange: { minMs: at, maxMs: at },
      }))
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
    // As every role that has a generation asks.
    const after = Array.from({ length: PARTITIONS }, () => segments * OFFSETS)
    const look = () => reader.chains(PARTITIONS, { after })
    await step('start', look)
    await step('look', look)
    await step('commit', () => writer.commitSegment(emptySegment(0, segments * OFFSETS, segments * OFFSETS + 10)))
    await step('after', look)
    const slice = groupsWithin({ views: new Map(), schemaHash: 'schema-1' }, { fromMs: 10, beforeMs: 20 })
    await step('slice', async () => (await s3.open(prefix, { endpoint: proxy.endpoint })).outline(PARTITIONS, slice))
    const rule = { rowsTarget: 1_000_000, spanMsMax: null }
    const lock = await writer.tryLock('batch')
    await writer.markCompaction({ ...rule, from: after.map((end) => end - OFFSETS), to: after })
    await lock!.release()
    const boundary = after.map((end, partition) => (partition === 0 ? end + 10 : end))
    await step('compaction', async () => {
      const { groups } = await lookForSmall(await s3.open(prefix, { endpoint: proxy.endpoint }), boundary, rule)
      expect(groups.map((group) => group.length)).toEqual([2])
    })
    return counts
  }

  test('do not grow with history', async () => {
    const [few, many] = [await countedOn(85), await countedOn(850)]
    expect(many).toEqual(few)
    expect(many.look).toEqual({ GET: 1 })
    // The checkpoint's manifests are not read again, and behind the last segment one GET finds nothing.
    expect(many.after!.GET).toBeLessThanOrEqual(1 + 1 + PARTITIONS)
  })

  test('of a process that follows a Delta table do not grow with its versions', async () => {
    const prefix = s3.prefix()
    const [writer, reader] = [await s3.open(prefix), await s3.open(prefix, { endpoint: proxy.endpoint })]
    const lock = await writer.tryLock('batch')
    const log = new DeltaLog(writer.tables(), '', connection)
    const follower = new DeltaLog(reader.tables(), '', connection)
    const append = async (): Promise<number> => {
      const { files, version, ...before } = await log.read()
      const file = { path: `f${version + 1}.parquet`, bytes: 1, rows: 1, createdAtMs: 0 }
      const next = { schema: deltaSchema([{ name: 'id', type: 'BIGINT' }]), files: [...files.values(), file] }
      const more = { isRearranged: () => false, properties: {}, atMs: 0, graceMs: 0 }
      return (await log.write({ files, version, ...before }, { ...next, ...more })).files.size
    }
    const requestsOfRead = async (): Promise<number> => {
      proxy.seen.length = 0
      await follower.read()
      return proxy.seen.length
    }
    for (let files = 0; files < 6; ) files = await append()
    expect(await requestsOfRead()).toBe(1 + 6 + 1)
    for (let files = 0; files < 16; ) {
      files = await append()
      // The version that it knows, the new one, and that there is none after it.
      expect(await requestsOfRead()).toBe(3)
    }
    await lock!.release()
  })
})
