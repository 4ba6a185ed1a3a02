/** The serving thread's side of the reader thread: starts it, asks it, and starts it again where it died. */
import { Worker } from 'node:worker_threads'
import { releaseMemory } from '#core/release-memory.ts'
import { bytesHeld, type EventLog, type RecordBatch } from '#storage/log/event-log.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
import type { Configuration } from '../settings/settings.ts'
import type { AskedReader, ReaderAnswers, ReaderReply, ReaderRequest } from './reader-messages.ts'

export class StorageReader {
  readonly #configuration: Configuration
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>()
  #worker: Worker | null = null
  #next = 0
  #closed = false

  constructor(configuration: Configuration) {
    this.#configuration = configuration
  }

  /** The dataset's log, read in the other thread. */
  log(dataset: string, identity: string): Pick<EventLog, 'range' | 'read' | 'ends' | 'identity'> {
    return {
      identity,
      range: (partition) => this.#ask<'range'>(dataset, { ask: 'range', partition }),
      ends: () => this.#ask<'ends'>(dataset, { ask: 'ends' }),
      read: async (partition, from, limits) =>
        withBuffer(await this.#ask<'read'>(dataset, { ask: 'read', partition, from, limits })),
    }
  }

  markers(dataset: string): ReturnType<SpeedStore['markers']> {
    return this.#ask<'markers'>(dataset, { ask: 'markers' })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#worker?.terminate()
  }

  #ask<Ask extends keyof ReaderAnswers>(dataset: string, request: ReaderRequest): Promise<ReaderAnswers[Ask]> {
    if (this.#closed) return Promise.reject(new Error('the reader thread is closed'))
    const id = this.#next++
    const reply = Promise.withResolvers<unknown>()
    this.#asked.set(id, reply)
    this.#started().postMessage({ id, dataset, request } satisfies AskedReader)
    return reply.promise as Promise<ReaderAnswers[Ask]>
  }

  #started(): Worker {
    if (this.#worker !== null) return this.#worker
    const worker = new Worker(new URL('./reader-thread.ts', import.meta.url), {
      workerData: { configuration: this.#configuration },
      name: 'reader',
    })
    this.#worker = worker
    worker.on('message', (reply: ReaderReply) => this.#hear(reply))
    worker.on('error', (error) => this.#ended(worker, error))
    worker.on('exit', () => this.#ended(worker, new Error('the reader thread ended')))
    return worker
  }

  #hear(reply: ReaderReply): void {
    const asked = this.#asked.get(reply.id)
    this.#asked.delete(reply.id)
    if ('fault' in reply) asked?.reject(new Error(reply.fault))
    else asked?.resolve(reply.answer)
  }

  /** Whoever waits is told; the next question starts another one. */
  #ended(worker: Worker, why: Error): void {
    if (this.#worker !== worker) return
    this.#worker = null
    for (const asked of this.#asked.values()) asked.reject(why)
    this.#asked.clear()
  }
}

/** A Buffer comes out of another thread as plain bytes. */
function withBuffer(batch: RecordBatch | null): RecordBatch | null {
  if (batch === null) return null
  const { buffer, byteOffset, byteLength } = batch.lines
  const lines = Buffer.from(buffer, byteOffset, byteLength)
  return { ...batch, lines, bytes: bytesHeld(batch), release: () => releaseMemory(lines) }
}
