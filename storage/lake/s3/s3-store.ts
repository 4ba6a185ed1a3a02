/**
 * Requests to one bucket. A conditional write whose answer was lost is resolved by reading back: each write carries a token of its own in the
 * object's metadata, which tells whether what is there is this write.
 */
import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import type { ByteRange } from '../blob-lake/blobs.ts'
import type { LakeError } from '../lake-error.ts'
import { explainS3Fault, isConditionFalse, isNotFound, isUndecided, statusOf } from './s3-faults.ts'
import type { S3Place } from './s3-place.ts'

/** how often one request is tried, with pauses that grow to 20 s, half a minute together: throttling (503 SlowDown) and lost connections pass */
const ATTEMPTS_MAX = 11
/** how often a conditional write is tried that met another one */
const UNDECIDED_MAX = 10
const UNDECIDED_PAUSE_MS = 50
const CONNECT_MS_MAX = 5_000
/** a connection on which nothing is said for so long is given up, and the request is tried again: servers freeze, and machines vanish */
const SILENCE_MS_MAX = 10_000
/** larger files are uploaded in parts of this size */
const PART_BYTES = 16 * 1024 * 1024
const PARTS_AT_ONCE = 2
const WRITER = 'watershed-writer'
const RANGE_NOT_SATISFIABLE = 416

export interface S3Options extends S3Place {
  /** default: AWS_REGION, or us-east-1 */
  readonly region?: string
  /** of another server than AWS, e.g. http://127.0.0.1:9000 */
  readonly endpoint?: string
  /** the bucket in the path, not in the host's name */
  readonly pathStyle?: boolean
  /** default: SILENCE_MS_MAX */
  readonly silenceMsMax?: number
  /** default: the usual chain (environment, profile, web identity, instance) */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

export interface Found {
  readonly etag: string
  readonly bytes: number
  readonly modifiedMs: number
  /** when the server answered, by its own clock; it has whole seconds */
  readonly serverMs: number
  readonly writer: string | undefined
}

export interface Listed {
  /** below the folder, without it; no order is promised */
  readonly files: readonly string[]
  readonly folders: readonly string[]
}

type Condition = Pick<PutObjectCommandInput, 'IfMatch' | 'IfNoneMatch'>
type Body = { readonly text: string } | { readonly file: string; readonly bytes: number }

export class S3Store {
  readonly #client: S3Client
  readonly #bucket: string
  readonly #prefix: string

  constructor({ bucket, prefix, region, endpoint, pathStyle, silenceMsMax, credentials }: S3Options) {
    this.#bucket = bucket
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.#client = new S3Client({
      region: region ?? process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1',
      ...(endpoint !== undefined && { endpoint }),
      ...(credentials !== undefined && { credentials }),
      forcePathStyle: pathStyle ?? false,
      maxAttempts: ATTEMPTS_MAX,
      requestHandler: { connectionTimeout: CONNECT_MS_MAX, socketTimeout: silenceMsMax ?? SILENCE_MS_MAX },
      // Bodies are signed, which other servers understand as well; not all of them know checksums in trailers.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    })
    // Ages of objects are told by the server's clock alone.
    this.#client.middlewareStack.add(
      (next) => async (given) => {
        const answer = await next(given)
        const { headers = {} } = (answer.response ?? {}) as { headers?: Record<string, string> }
        Object.assign((answer.output as { $metadata: object }).$metadata, { serverMs: Date.parse(headers.date ?? '') })
        return answer
      },
      { step: 'deserialize', name: 'serverDate', priority: 'high' },
    )
  }

  nameOf(key: string): string {
    return `s3://${this.#bucket}/${this.#prefix}${key}`
  }

  close(): void {
    this.#client.destroy()
  }

  /** null: there is nothing */
  async head(key: string): Promise<Found | null> {
    return this.#found('cannot read', key, () => this.#client.send(new HeadObjectCommand(this.#at(key))))
  }

  /** null: there is nothing. 'same': it still has this ETag. */
  async get(key: string, unlessEtag?: string): Promise<(Found & { readonly text: string }) | 'same' | null> {
    try {
      const answer = await this.#client.send(
        new GetObjectCommand({ ...this.#at(key), ...(unlessEtag !== undefined && { IfNoneMatch: unlessEtag }) }),
      )
      return { ...foundIn(answer), text: await answer.Body!.transformToString('utf8') }
    } catch (error) {
      if (statusOf(error) === 304) return 'same'
      if (isNotFound(error)) return null
      throw this.#explained(error, 'cannot read', key)
    }
  }

  /** All of it, or those of these bytes that there are. null: there is nothing */
  async stream(key: string, range?: ByteRange): Promise<Readable | null> {
    const Range = range && `bytes=${range.offset}-${range.offset + range.bytes - 1}`
    try {
      return (await this.#client.send(new GetObjectCommand({ ...this.#at(key), ...(Range && { Range }) })))
        .Body as Readable
    } catch (error) {
      if (isNotFound(error)) return null
      if (statusOf(error) === RANGE_NOT_SATISFIABLE) return Readable.from([])
      throw this.#explained(error, 'cannot read', key)
    }
  }

  /** Puts an object where there is none. @returns false: there is another one */
  async putNew(key: string, body: Body): Promise<boolean> {
    return (await this.#putIf(key, body, { IfNoneMatch: '*' })) !== null
  }

  /**
   * Puts an object in the place of the one with this ETag; null: where there is none. An ETag depends on the content, so contents must not
   * recur. @returns the new ETag; null: it is not there any more
   */
  replace(key: string, text: string, etag: string | null): Promise<string | null> {
    return this.#putIf(key, { text }, etag === null ? { IfNoneMatch: '*' } : { IfMatch: etag })
  }

  async put(key: string, body: Body): Promise<void> {
    await this.#tried('cannot write', key, () => this.#send(key, body, {}, randomUUID()))
  }

  /** As if it was written just now. Nothing happens where there is nothing. */
  async touch(key: string): Promise<void> {
    const Metadata = { [WRITER]: randomUUID() }
    await this.#copy(key, key, { MetadataDirective: 'REPLACE', Metadata })
  }

  /** @returns false: there is nothing to copy */
  copy(from: string, to: string): Promise<boolean> {
    return this.#copy(from, to, {})
  }

  async remove(key: string): Promise<void> {
    await this.#tried('cannot remove', key, () => this.#client.send(new DeleteObjectCommand(this.#at(key))))
  }

  /** @param folder without a slash at its end; '' for all @param deep also what is in folders below */
  async list(folder: string, deep = false): Promise<Listed> {
    const Prefix = `${this.#prefix}${folder === '' ? '' : `${folder}/`}`
    const [files, folders] = [[] as string[], [] as string[]]
    let ContinuationToken: string | undefined
    do {
      const answer = await this.#tried('cannot list', folder, () =>
        this.#client.send(
          new ListObjectsV2Command({
            ...{ Bucket: this.#bucket, Prefix, ContinuationToken },
            ...(deep ? {} : { Delimiter: '/' }),
          }),
        ),
      )
      for (const { Key = '' } of answer.Contents ?? []) files.push(Key.slice(Prefix.length))
      for (const { Prefix: below = '' } of answer.CommonPrefixes ?? []) folders.push(below.slice(Prefix.length, -1))
      ContinuationToken = answer.NextContinuationToken
    } while (ContinuationToken !== undefined)
    return { files, folders }
  }

  /** by the server's clock, epoch ms */
  async nowMs(): Promise<number> {
    const request = new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: this.#prefix, MaxKeys: 1 })
    const { $metadata } = await this.#tried('cannot list', '', () => this.#client.send(request))
    return serverMsOf($metadata)
  }

  async #putIf(key: string, body: Body, condition: Condition): Promise<string | null> {
    const writer = randomUUID()
    for (let tries = 1; ; tries++) {
      try {
        return await this.#send(key, body, condition, writer)
      } catch (error) {
        if (isUndecided(error) && tries < UNDECIDED_MAX) {
          await pause(UNDECIDED_PAUSE_MS * tries)
          continue
        }
        // The answer may be that of a second try, after the first one was carried out and its answer was lost.
        const there = await this.#whose(key, error)
        if (there?.writer === writer) return there.etag
        if (isConditionFalse(error) || (isNotFound(error) && condition.IfMatch !== undefined)) return null
        throw this.#explained(error, 'cannot write', key)
      }
    }
  }

  /** @throws the reason for which the write failed, if nothing can be read either */
  async #whose(key: string, failed: unknown): Promise<Found | null> {
    try {
      return await this.head(key)
    } catch {
      throw this.#explained(failed, 'cannot write', key)
    }
  }

  async #send(key: string, body: Body, condition: Condition, writer: string): Promise<string> {
    const params = { ...this.#at(key), ...condition, Metadata: { [WRITER]: writer } }
    if ('text' in body || body.bytes <= PART_BYTES) {
      const Body = 'text' in body ? body.text : await readFile(body.file)
      return (await this.#client.send(new PutObjectCommand({ ...params, Body }))).ETag!
    }
    const upload = new Upload({
      client: this.#client,
      params: { ...params, Body: createReadStream(body.file, { highWaterMark: PART_BYTES }) },
      queueSize: PARTS_AT_ONCE,
      partSize: PART_BYTES * Math.ceil(body.bytes / PART_BYTES / 10_000),
    })
    return (await upload.done()).ETag!
  }

  async #copy(from: string, to: string, more: object): Promise<boolean> {
    const CopySource = `${this.#bucket}/${this.#prefix}${from}`
    try {
      await this.#client.send(new CopyObjectCommand({ ...this.#at(to), CopySource, ...more }))
      return true
    } catch (error) {
      if (isNotFound(error)) return false
      throw this.#explained(error, 'cannot copy', from)
    }
  }

  async #found(doing: string, key: string, ask: () => Promise<Answer>): Promise<Found | null> {
    try {
      return foundIn(await ask())
    } catch (error) {
      if (isNotFound(error)) return null
      throw this.#explained(error, doing, key)
    }
  }

  async #tried<T>(doing: string, key: string, send: () => Promise<T>): Promise<T> {
    try {
      return await send()
    } catch (error) {
      throw this.#explained(error, doing, key)
    }
  }

  #explained(error: unknown, doing: string, key: string): LakeError {
    return explainS3Fault(error, doing, this.nameOf(key))
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: `${this.#prefix}${key}` }
  }
}

interface Answer {
  readonly ETag?: string
  readonly ContentLength?: number
  readonly LastModified?: Date
  readonly Metadata?: Readonly<Record<string, string>>
  readonly $metadata: object
}

function foundIn({ ETag, ContentLength, LastModified, Metadata, $metadata }: Answer): Found {
  return {
    etag: ETag ?? '',
    bytes: ContentLength ?? 0,
    modifiedMs: LastModified?.getTime() ?? 0,
    serverMs: serverMsOf($metadata),
    writer: Metadata?.[WRITER],
  }
}

function serverMsOf(metadata: object): number {
  const { serverMs = Number.NaN } = metadata as { readonly serverMs?: number }
  return serverMs
}
