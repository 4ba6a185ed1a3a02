/** For tests: one partition on embedded parts whose log, speed store or lake is put back to an earlier copy. */
import { cpSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, vi } from 'vitest'
import { runBatch } from '#batch-layer/run-batch.ts'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { Workspace } from '#runtime/commands/workspace.ts'
import type { OpenDataset } from '#runtime/drivers/open-dataset.ts'
import { mergedSnapshot } from '#runtime/health/merged-snapshot.ts'
import { loadConfiguration } from '#runtime/settings/configuration.ts'
import { takeSnapshot } from '#serving/answers/snapshot.ts'
import type { StreamLimits } from '#speed-layer/stream-limits.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { silent } from '#telemetry/emit.ts'
import { verifyDataset } from '#verification/verify-dataset.ts'

/** A segment is closed at this many records. */
const SEGMENT = 20
const DEADLINE = { timeout: 20_000, interval: 20 }

/** What a stream role says that does not go on. */
export const refused = (events: readonly PlatformEvent[]): void =>
  expect(events.filter(({ name }) => name === 'stream-refused').length).toBeGreaterThan(1)

export class RestoredParts {
  readonly data: string
  open!: OpenDataset
  #workspace!: Workspace
  readonly #generator = new RsvpGenerator({ seed: 5, startMs: 1_700_000_000_000, eventsPerSecond: 20 })

  private constructor(data: string) {
    this.data = data
  }

  static async start(): Promise<RestoredParts> {
    const parts = new RestoredParts(await mkdtemp(join(tmpdir(), 'watershed-restore-')))
    await parts.#start()
    return parts
  }

  async stop(): Promise<void> {
    await this.#workspace.close()
    await rm(this.data, { recursive: true, force: true })
  }

  /** Everything is closed meanwhile, as it should be for a restore. */
  async whileClosed(restore: () => void): Promise<void> {
    await this.#workspace.close()
    restore()
    await this.#start()
  }

  async append(count: number): Promise<void> {
    const lines = Array.from({ length: count }, () => `${this.#generator.next()}\n`).join('')
    await this.open.log.append([{ partition: 0, lines: Buffer.from(lines), count }])
  }

  /** Runs a stream role until `isSo`. */
  async streamUntil(
    isSo: (events: readonly PlatformEvent[]) => void | Promise<void>,
    otherLimits: Partial<StreamLimits> = {},
  ): Promise<void> {
    const events: PlatformEvent[] = []
    const limits = {
      segmentRecordsMax: SEGMENT,
      batchRecordsMax: 10,
      pollEveryMs: 2,
      flushEveryMs: 5,
      retryMsFirst: 1,
      retryMsMax: 20,
      ...otherLimits,
    }
    const { scratchFolder } = this.#workspace
    const role = new StreamRole({ ...this.open, scratchFolder, limits, emit: (event) => events.push(event) })
    await role.start()
    try {
      await vi.waitFor(() => isSo(events), DEADLINE)
    } catch (error) {
      throw new Error(`${(error as Error).message}: ${JSON.stringify(events.slice(-5))}`, { cause: error })
    } finally {
      await role.stop()
    }
  }

  async counted(): Promise<number> {
    return (await takeSnapshot(this.open)).partitions[0]!.position
  }

  readonly countedAll = async (): Promise<void> => {
    expect(await this.counted()).toBe((await this.open.log.range(0)).end)
  }

  /** Whether the merged views are equal to the recount. */
  async equal(): Promise<boolean> {
    const { scratchFolder } = this.#workspace
    return (await verifyDataset({ ...this.open, scratchFolder, snapshot: () => mergedSnapshot(this.open) })).equal
  }

  async generation(): Promise<void> {
    const dictionary = await this.#workspace.openDictionary()
    await runBatch({ ...this.open, dictionary, logIdentity: this.open.log.identity, mode: 'full', emit: silent })
    await dictionary.close()
  }

  async lakeEnd(): Promise<number> {
    return (await this.open.lake.chains(1))[0]!.end
  }

  log(): string {
    return this.#file(/log.*\.sqlite$/)
  }

  speedStore(): string {
    return this.#file(/speed.*\.sqlite$/)
  }

  lake(): string {
    return join(this.data, 'lake')
  }

  /** What a broker does that comes back without what it had not synced. */
  cutLog(end: number): void {
    const file = new DatabaseSync(this.log())
    file.exec(`DELETE FROM log_blocks WHERE start >= ${end}; UPDATE log_ends SET "end" = ${end}`)
    file.close()
  }

  async #start(): Promise<void> {
    const flags = { data: this.data, partitions: 1, datasets: ['meetup_rsvps'] }
    this.#workspace = await Workspace.open(await loadConfiguration({ flags }), 'batch', silent)
    this.open = await this.#workspace.only()
  }

  #file(pattern: RegExp): string {
    const names = readdirSync(this.data, { recursive: true }).map(String)
    return join(this.data, names.find((name) => pattern.test(name))!)
  }
}

/** Copies a file or a folder; what it gives puts the copy in its place. */
export function copyOf(path: string): () => void {
  const kept = `${path}.kept`
  cpSync(path, kept, { recursive: true })
  return () => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { recursive: true, force: true })
    renameSync(kept, path)
  }
}
