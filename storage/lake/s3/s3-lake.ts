/**
 * The lake in an object store: `s3://<bucket>/<prefix>/<dataset>/…`, with its locks in `locks/`. The engine reads and writes files in a local
 * cache. Needs a server with conditional writes: AWS S3, and others that know `If-None-Match` and `If-Match` on PUT.
 */
import { resolve as absolutePath, join } from 'node:path'
import { noSteps, type StepHook } from '#core/steps.ts'
import { assertDatasetName, BlobLake } from '../blob-lake/blob-lake.ts'
import { LeaseLocks } from './lease-locks.ts'
import { ObjectCache } from './object-cache.ts'
import { S3Blobs } from './s3-blobs.ts'
import { type S3Options, S3Store } from './s3-store.ts'

export interface S3LakeOptions extends S3Options {
  readonly dataset: string
  /** folder of the local cache, which processes of this machine may share: the engine must be allowed to read and write it */
  readonly cacheFolder: string
  readonly cacheBytesMax: number
  /** how long a lock outlives a holder that does not renew it */
  readonly lockMs: number
  readonly step?: StepHook
}

export class S3Lake extends BlobLake {
  private constructor(options: S3LakeOptions, store: S3Store, cache: ObjectCache) {
    const { dataset, lockMs, step = noSteps } = options
    super({
      ...{ dataset, step },
      locks: new LeaseLocks({ dataset, store, ttlMs: lockMs }),
      blobs: new S3Blobs(dataset, store, cache),
      moveManifests: async () => 0,
    })
  }

  /** @throws LakeError if the bucket cannot be reached; the message says what to do */
  static async open(options: S3LakeOptions): Promise<S3Lake> {
    assertDatasetName(options.dataset)
    const place = join(absolutePath(options.cacheFolder), options.bucket, options.prefix, options.dataset)
    const store = new S3Store(options)
    try {
      await store.nowMs()
      return new S3Lake(options, store, new ObjectCache({ folder: place, bytesMax: options.cacheBytesMax }))
    } catch (error) {
      store.close()
      throw error
    }
  }
}
