/**
 * Locks as leases in an object store: `locks/<work>.json`, changed by conditional writes only.
 *
 * A holder renews its lease; whoever finds that it was not renewed for as long as it was taken may take it over. Time is measured by the server's clock
 * (an answer's date minus the object's) or by the own monotonic clock since the same lease was first seen, never by comparing clocks of two machines.
 * Invariant: clocks decide only who may try. A holder that was frozen, and wakes when another one has the lease, cannot publish: `prove` renews the
 * lease by a conditional write, which fails then. Each lease has a higher fencing number than the one before.
 */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { LakeLocks } from '../blob-lake/lake-locks.ts'
import type { HeldLock, LakeWork } from '../lake.ts'
import { LakeError } from '../lake-error.ts'
import type { S3Store } from './s3-store.ts'

/** The server's dates have whole seconds. */
const DATES_DIFFER_MS = 2_000

const lease = z.strictObject({
  /** null: it was released */
  holder: z.string().nullable(),
  /** rises with each holder */
  fence: z.int().min(1),
  /** rises with each renewal, so that no two texts are equal */
  renewal: z.int().min(0),
  ttlMs: z.int().min(1),
})
type Lease = z.infer<typeof lease>

interface Held {
  lease: Lease
  etag: string
  /** aborted: it is known that another one has it */
  readonly lost: AbortController
  timer: NodeJS.Timeout | null
  /** renewals one after another */
  last: Promise<void>
}

export interface LeaseLocksOptions {
  readonly dataset: string
  readonly store: S3Store
  /** a lease that was not renewed for so long may be taken over */
  readonly ttlMs: number
  /** default: a third of that */
  readonly renewEveryMs?: number
  /** monotonic, ms */
  readonly clock?: () => number
}

export class LeaseLocks implements LakeLocks {
  readonly #options: LeaseLocksOptions
  readonly #clock: () => number
  readonly #held = new Map<LakeWork, Held>()
  /** leases of others, since when they were seen as they are */
  readonly #seen = new Map<LakeWork, { readonly etag: string; readonly sinceMs: number }>()

  constructor(options: LeaseLocksOptions) {
    this.#options = options
    this.#clock = options.clock ?? (() => performance.now())
  }

  async tryLock(work: LakeWork): Promise<HeldLock | null> {
    const { store, ttlMs, renewEveryMs = ttlMs / 3 } = this.#options
    const found = await store.get(this.#key(work))
    const there =
      found === null || found === 'same' ? null : { ...found, lease: readLease(found.text, this.#name(work)) }
    if (there !== null && !this.#isFree(work, there)) return null
    const next: Lease = { holder: randomUUID(), fence: (there?.lease.fence ?? 0) + 1, renewal: 0, ttlMs }
    const etag = await store.replace(this.#key(work), leaseText(next), there?.etag ?? null)
    if (etag === null) return null
    this.#seen.delete(work)
    const held: Held = { lease: next, etag, lost: new AbortController(), timer: null, last: Promise.resolve() }
    this.#held.set(work, held)
    held.timer = setInterval(() => void this.#renew(work, held).catch(() => {}), renewEveryMs).unref()
    return { lost: held.lost.signal, release: () => this.#release(work, held) }
  }

  /** Proves that no other one has taken over what this handle holds. Of a work that it does not hold there is nothing to prove. @throws LakeError 'lock-lost' */
  async prove(work: LakeWork): Promise<void> {
    const held = this.#held.get(work)
    if (held !== undefined) await this.#renew(work, held)
  }

  stamp(work: LakeWork): string {
    return `${this.#held.get(work)?.lease.fence ?? 0} ${randomUUID()}`
  }

  #isFree(work: LakeWork, there: { lease: Lease; etag: string; modifiedMs: number; serverMs: number }): boolean {
    const { holder, ttlMs } = there.lease
    if (holder === null) return true
    if (there.serverMs - there.modifiedMs > ttlMs + DATES_DIFFER_MS) return true
    const seen = this.#seen.get(work)
    if (seen?.etag === there.etag) return this.#clock() - seen.sinceMs > ttlMs
    this.#seen.set(work, { etag: there.etag, sinceMs: this.#clock() })
    return false
  }

  #renew(work: LakeWork, held: Held): Promise<void> {
    const renewed = held.last.then(() => this.#write(work, held, { ...held.lease, renewal: held.lease.renewal + 1 }))
    held.last = renewed.catch(() => {})
    return renewed
  }

  async #write(work: LakeWork, held: Held, next: Lease): Promise<void> {
    const etag = held.lost.signal.aborted
      ? null
      : await this.#options.store.replace(this.#key(work), leaseText(next), held.etag)
    if (etag === null) {
      held.lost.abort()
      clearInterval(held.timer ?? undefined)
      throw new LakeError(
        'lock-lost',
        `lake, dataset '${this.#options.dataset}': the lock of '${work}' (fence ${held.lease.fence}) was taken over, because it was not renewed for ${this.#options.ttlMs} ms; nothing was published, and the next run begins anew`,
      )
    }
    held.lease = next
    held.etag = etag
  }

  /** A lease that cannot be released ends by itself. */
  async #release(work: LakeWork, held: Held): Promise<void> {
    clearInterval(held.timer ?? undefined)
    if (this.#held.get(work) === held) this.#held.delete(work)
    if (held.lease.holder === null || held.lost.signal.aborted) return
    await held.last
    await this.#write(work, held, { ...held.lease, holder: null, renewal: held.lease.renewal + 1 }).catch(() => {})
  }

  #key(work: LakeWork): string {
    return `${this.#options.dataset}/locks/${work}.json`
  }

  #name(work: LakeWork): string {
    return this.#options.store.nameOf(this.#key(work))
  }
}

function leaseText(one: Lease): string {
  return `${JSON.stringify(one)}\n`
}

function readLease(text: string, name: string): Lease {
  try {
    return lease.parse(JSON.parse(text))
  } catch (error) {
    throw new LakeError(
      'manifest-damaged',
      `lake: the lock '${name}' was overwritten by another program; remove it while nothing else uses the lake, it contains no data`,
      { cause: error },
    )
  }
}
