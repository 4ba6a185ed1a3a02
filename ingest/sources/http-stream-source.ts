/** A response that does not end, one event a line (chunked NDJSON). */
import type { ResumeDefinition } from '#core/source-definition.ts'
import type { EventSource, LongRecord, ReadOptions, SourceBatch, SourceCursor } from './event-source.ts'
import { HttpClient, type HttpTarget, httpFault } from './http-client.ts'
import { inBatches } from './record-batches.ts'
import { ResumedRecords } from './resumed-records.ts'
import { longRecord, StreamLines } from './stream-lines.ts'

export interface HttpStreamParts {
  readonly target: HttpTarget
  readonly silenceMsMax: number
  readonly resume?: ResumeDefinition
}

export class HttpStreamSource implements EventSource {
  readonly resumption: 'exact' | 'from-now'
  readonly #parts: HttpStreamParts

  constructor(parts: HttpStreamParts) {
    this.#parts = parts
    this.resumption = parts.resume === undefined ? 'from-now' : 'exact'
  }

  async *read(from: SourceCursor | null, options: ReadOptions): AsyncIterable<SourceBatch> {
    const { target, silenceMsMax, resume } = this.#parts
    const { signal, limits, watch } = options
    const resumed = resume === undefined ? null : new ResumedRecords(resume, from)
    const lines = new StreamLines(limits.recordBytesMax)
    const client = new HttpClient(target, silenceMsMax)
    const batch = (records: readonly (Buffer | LongRecord)[]): SourceBatch => resumed?.batch(records) ?? { records }
    try {
      const headers = { accept: 'application/x-ndjson, */*' }
      const { body } = await client.get({ parameters: resumed?.parameters, headers, signal })
      watch.connected()
      for await (const chunk of body as AsyncIterable<Buffer>)
        for (const records of inBatches(lines.push(chunk), limits.batchRecordsMax)) yield batch(records)
      const last = lastOf(lines, resumed !== null, true)
      if (last !== null) yield batch([last])
    } catch (error) {
      if (signal.aborted) return
      const last = lastOf(lines, resumed !== null, false)
      if (last !== null) yield batch([last])
      throw httpFault(error as Error, target.url.host)
    } finally {
      await client.close()
    }
  }
}

/**
 * The record in which the stream ended, if it is whole or will not come again: the beginning of a JSON object is not valid JSON.
 * @param ended whether the other side ended it, instead of a fault
 */
function lastOf(lines: StreamLines, comesAgain: boolean, ended: boolean): Buffer | LongRecord | null {
  const rest = lines.rest()
  if (rest === null || (Buffer.isBuffer(rest) && ended && isJson(rest))) return rest
  if (comesAgain) return null
  return Buffer.isBuffer(rest) ? { ...longRecord(rest), why: 'the connection was cut in it' } : rest
}

function isJson(text: Buffer): boolean {
  try {
    JSON.parse(text.toString())
    return true
  } catch {
    return false
  }
}
