/** Lakes on the S3 server of a test file. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StepHook } from '#core/steps.ts'
import { DATASET } from '#storage/lake/lake-contract-fixture.ts'
import { S3Lake, type S3LakeOptions } from '#storage/lake/s3/s3-lake.ts'
import { S3Store } from '#storage/lake/s3/s3-store.ts'
import { S3_CREDENTIALS, type S3Server, startS3 } from './s3-server.ts'

const BUCKET = 'lakes'
export const LOCK_MS = 1_000

export class S3Fixture {
  readonly server: S3Server
  readonly folder: string
  readonly bucket = BUCKET
  #handles = 0
  #prefixes = 0

  static async start(): Promise<S3Fixture> {
    const server = await startS3()
    await server.makeBucket(BUCKET)
    return new S3Fixture(server, await mkdtemp(join(tmpdir(), 'lake-s3-')))
  }

  private constructor(server: S3Server, folder: string) {
    this.server = server
    this.folder = folder
  }

  /** of a lake of its own */
  prefix(): string {
    return `lake-${this.#prefixes++}`
  }

  /** A handle as on another machine, with a cache of its own. */
  open(prefix: string, more: Partial<S3LakeOptions> & { readonly step?: StepHook } = {}): Promise<S3Lake> {
    return S3Lake.open({
      ...{ bucket: BUCKET, prefix, dataset: DATASET, pathStyle: true, credentials: S3_CREDENTIALS },
      ...{ endpoint: this.server.endpoint, cacheFolder: join(this.folder, `machine-${this.#handles++}`) },
      ...{ cacheBytesMax: 10_000_000, lockMs: LOCK_MS },
      ...more,
    })
  }

  store(prefix: string, endpoint = this.server.endpoint): S3Store {
    return new S3Store({ bucket: BUCKET, prefix, endpoint, pathStyle: true, credentials: S3_CREDENTIALS })
  }

  async stop(): Promise<void> {
    await this.server.stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}
