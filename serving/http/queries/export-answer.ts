/** Answers with `limit=all`: every row, in any format, in turns of their own, so that short queries never wait for one. */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isReached } from '#core/log-position.ts'
import { type RowsWork, withEveryRow } from '#serving/answers/every-row.ts'
import { ExportTooLargeError, PositionNotReachedError, QueryTimeoutError } from '#serving/answers/query-error.ts'
import { limited } from '#serving/answers/time-limit.ts'
import { type ExportFile, writeExport } from '#serving/formats/export-file.ts'
import { inExportPlace } from '#serving/formats/export-place.ts'
import { type AskParts, assertRequired, type Question, shownMeta } from './ask-view.ts'
import { clientOf, whenGone } from './in-turn.ts'
import { ageHeaders, lastingHeaders } from './provenance-headers.ts'
import { QueryGate } from './query-gate.ts'
import { type AskedFormat, formatHeaders } from './send-answer.ts'

export interface ExportLimits {
  /** written or sent at the same time */
  readonly exportsMax: number
  /** until all rows are written, waiting included */
  readonly exportMsMax: number
  /** of the file of one export */
  readonly exportBytesMax: number
  /** of the engine of one export */
  readonly exportMemoryMb: number
  readonly exportThreads: number
  readonly queriesWaitingMax: number
}

/** A client that takes nothing for this long is given up. */
const STALLED_MS_MAX = 60_000
const READ_BYTES = 256 * 1024

/** The limit of waiting exports is reached. */
export class TooManyExportsError extends Error {
  constructor({ exportsMax, queriesWaitingMax }: ExportLimits) {
    super(
      `exportsMax = ${exportsMax} exports (limit=all) are running and queriesWaitingMax = ${queriesWaitingMax} are waiting; retry later`,
    )
    this.name = 'TooManyExportsError'
  }
}

/** One client leaves a turn to others, where there are several. */
export function exportGate(limits: ExportLimits): QueryGate {
  const { exportsMax, queriesWaitingMax } = limits
  const gate = { queriesMax: exportsMax, queriesPerClientMax: Math.max(1, exportsMax - 1), queriesWaitingMax }
  return new QueryGate(gate, () => new TooManyExportsError(limits))
}

export interface ExportParts extends AskParts {
  readonly exports: { readonly gate: QueryGate; readonly limits: ExportLimits }
}

/** @throws as `askView`; ExportTooLargeError, TooManyExportsError, NeedsBackfillError */
export async function exportAnswer(
  parts: ExportParts,
  question: Question,
  as: AskedFormat,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { gate, limits } = parts.exports
  const gone = whenGone(reply)
  const [written, sent] = [Promise.withResolvers<ExportFile>(), Promise.withResolvers<void>()]
  reply.raw.once('close', sent.resolve)
  // The turn ends when the client has everything, or is gone.
  const inTurn = limited(limits.exportMsMax, gone, (signal) => {
    void gate
      .run(clientOf(request), signal, async () => {
        written.resolve(await writtenFile(parts, question, as, signal))
        await sent.promise
      })
      .catch(written.reject)
    return written.promise
  })
  const file = await inTurn.catch((error: unknown) => {
    sent.resolve()
    written.promise.then(({ handle }) => handle.close()).catch(() => {})
    throw error instanceof QueryTimeoutError ? new ExportTooLargeError('exportMsMax', limits.exportMsMax) : error
  })
  reply.raw.setTimeout(STALLED_MS_MAX, () => reply.raw.destroy())
  return sendFile(file, question, as, reply)
}

async function writtenFile(
  parts: ExportParts,
  { target, query, atLeast, required }: Question,
  { format }: AskedFormat,
  signal: AbortSignal,
): Promise<ExportFile> {
  const { scratchFolder, limits, exports } = parts
  const { live } = target
  const wait = atLeast === null ? null : { position: atLeast, waitMsMax: limits.waitMsMax }
  if (live !== undefined && wait !== null) await live.reach(live.asked(query), wait, signal)
  const write =
    (folder: string): RowsWork<ExportFile> =>
    async (rows, connection) => {
      const { meta } = rows
      assertRequired(required, meta, meta.liveMissing)
      if (wait !== null && !isReached(wait.position, meta.position))
        throw new PositionNotReachedError(wait.position, meta.position, wait.waitMsMax)
      const { exportBytesMax: bytesMax } = exports.limits
      const metaJson = JSON.stringify(shownMeta({ meta }))
      return writeExport(rows, connection, { format, folder, bytesMax, metaJson })
    }
  return inExportPlace({ beside: target.engine, scratchFolder, ...exports.limits }, (place) =>
    live === undefined
      ? withEveryRow(target, query, place, { signal }, write(place.folder))
      : live.everyRow(live.asked(query), place, signal, write(place.folder)),
  )
}

const BOM = '\uFEFF'

function sendFile(
  file: ExportFile,
  { query }: Question,
  { format, bom }: AskedFormat,
  reply: FastifyReply,
): FastifyReply {
  const before = (bom && format.name === 'csv' ? BOM : '') + file.before
  const bytes =
    Buffer.byteLength(before) + file.bytes - Math.min(file.skipBytes, file.bytes) + Buffer.byteLength(file.after)
  reply.headers({
    ...formatHeaders(query, format),
    ...lastingHeaders(file.meta),
    ...ageHeaders(file.meta),
    'cache-control': 'no-store',
    'content-length': bytes,
  })
  return reply.send(Readable.from(pieces(file, before), { objectMode: false, highWaterMark: READ_BYTES }))
}

async function* pieces({ handle, skipBytes, after }: ExportFile, before: string): AsyncGenerator<Buffer> {
  try {
    if (before !== '') yield Buffer.from(before)
    for (let at = skipBytes; ; ) {
      const { bytesRead, buffer } = await handle.read({ buffer: Buffer.allocUnsafe(READ_BYTES), position: at })
      if (bytesRead === 0) break
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
    if (after !== '') yield Buffer.from(after)
  } finally {
    await handle.close()
  }
}
