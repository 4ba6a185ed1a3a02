import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LOCK_MS, S3Fixture } from '#tests/servers/s3-lakes.ts'
import { whyNoS3 } from '#tests/servers/s3-server.ts'
import { until } from '#tests/until.ts'
import { BlobLake } from '../blob-lake/blob-lake.ts'
import { DATASET } from '../lake-contract-fixture.ts'
import { publishStates } from '../local/local-lake-fixture.ts'
import { LeaseLocks } from './lease-locks.ts'
import { ObjectCache } from './object-cache.ts'
import { S3Blobs } from './s3-blobs.ts'

/** as of a process that was frozen right after it got the lock */
const NEVER_MS = 2 ** 30

describe.skipIf(whyNoS3() !== null)('leases', () => {
  let s3: S3Fixture
  beforeAll(async () => {
    s3 = await S3Fixture.start()
  })
  afterAll(() => s3.stop())

  /** A lake whose locks are renewed as the test wants. */
  function frozenLake(prefix: string): BlobLake {
    const store = s3.store(prefix)
    const cache = new ObjectCache({ folder: `${s3.folder}/frozen-${prefix}`, bytesMax: 1_000_000 })
    return new BlobLake({
      dataset: DATASET,
      blobs: new S3Blobs(DATASET, store, cache),
      locks: new LeaseLocks({ dataset: DATASET, store, ttlMs: LOCK_MS, renewEveryMs: NEVER_MS }),
      step: () => {},
      moveManifests: async () => 0,
    })
  }

  it('a holder that renews keeps its lock for longer than the lease', async () => {
    const prefix = s3.prefix()
    const [holder, other] = [await s3.open(prefix), await s3.open(prefix)]
    const held = await holder.tryLock('stream')
    const startedMs = performance.now()
    while (performance.now() - startedMs < LOCK_MS * 4) expect(await other.tryLock('stream')).toBeNull()
    await held!.release()
    expect(await other.tryLock('stream')).not.toBeNull()
  })

  it('of many who find a lease that nobody renews, one takes it over', async () => {
    const prefix = s3.prefix()
    await frozenLake(prefix).tryLock('batch')
    const others = await Promise.all(Array.from({ length: 6 }, () => s3.open(prefix)))
    await until('somebody has the lock', async () => {
      const locks = await Promise.all(others.map((lake) => lake.tryLock('batch')))
      const got = locks.filter((lock) => lock !== null)
      expect(got.length).toBeLessThan(2)
      return got[0] ?? false
    })
  })

  it('a frozen holder that wakes after it was replaced publishes, compacts and removes nothing', async () => {
    const prefix = s3.prefix()
    const frozen = frozenLake(prefix)
    const lock = await frozen.tryLock('batch')
    const first = await publishStates(frozen, 'first')
    const staged = await frozen.beginGeneration()
    const other = await s3.open(prefix)
    await until('the lock is taken over', () => other.tryLock('batch'))
    const second = await publishStates(other, 'second')
    const lost = { code: 'lock-lost' }
    await expect(frozen.setCurrent(first.id)).rejects.toMatchObject(lost)
    await expect(staged.commit({ ...first, id: staged.id })).rejects.toMatchObject(lost)
    await expect(frozen.removeGeneration(first.id)).rejects.toMatchObject(lost)
    await expect(frozen.sweepOrphans(-60_000)).rejects.toMatchObject(lost)
    await expect(frozen.removeReplaced([100], 1e15)).rejects.toMatchObject(lost)
    expect(lock!.lost!.aborted).toBe(true)
    await lock!.release()
    expect(await other.current()).toEqual(second)
    expect((await other.verifyFiles()).problems).toEqual([])
  })

  it('a holder that is frozen between its proof and its publishing replaces nothing either', async () => {
    const prefix = s3.prefix()
    const other = await s3.open(prefix)
    await publishStates(other, 'first')
    let second: string | null = null
    const store = s3.store(prefix)
    const blobs = new S3Blobs(DATASET, store, new ObjectCache({ folder: `${s3.folder}/late`, bytesMax: 1_000_000 }))
    const slow = new BlobLake({
      dataset: DATASET,
      blobs,
      locks: new LeaseLocks({ dataset: DATASET, store, ttlMs: LOCK_MS, renewEveryMs: NEVER_MS }),
      // Between the proof and the write.
      step: async (name) => {
        if (name !== 'generation:before-current') return
        await until('the lock is taken over', () => other.tryLock('batch'))
        second = (await other.current())!.id
      },
      moveManifests: async () => 0,
    })
    await slow.tryLock('batch')
    await expect(publishStates(slow, 'third')).rejects.toMatchObject({ code: 'replaced-meanwhile' })
    expect((await other.current())!.id).toBe(second)
  })

  it('a lock that another program overwrote is refused by name', async () => {
    const prefix = s3.prefix()
    await s3.store(prefix).put(`${DATASET}/locks/batch.json`, { text: 'mine' })
    await expect((await s3.open(prefix)).tryLock('batch')).rejects.toThrow(/locks\/batch.json' was overwritten/)
  })
})
