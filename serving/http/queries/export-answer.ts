/** Answers with `limit=all`: every row, in any format, in turns of their own, so that short queries never wait for one. */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isReached } from '#core/log-position.ts'
import { StepClock } from '#serving/answers/answer-steps.ts'
import { type EveryRow, type RowsWork, withEveryRow } from '#serving/answers/every-row.ts'
import { type ExplainedAnswer, explanationOf } from '#serving/answers/explanation.ts'
import {
  ExportTooLargeError,
  PositionNotReachedError,
  QueryError,
  QueryTimeoutError,
} from '#serving/answers/query-error.ts'
import { planFor, viewsOf } from '#serving/answers/query-plan.ts'
import { limited } from '#serving/answers/time-limit.ts'
import { exportBytes } from '#serving/formats/export-bytes.ts'
import { type ExportFile, writeExport } from '#serving/formats/export-file.ts'
import { inExportPlace } from '#serving/formats/export-place.ts'
import { withoutPaths } from '#serving/http/without-paths.ts'
import type { Emit } from '#telemetry/emit.ts'
import { type AskParts, assertRequired, type Question, shownMeta } from './ask-view.ts'
import { ONLY_JSON } from './explain-answer.ts'
import type { ExportGates, ExportLimits } from './export-gate.ts'
import { clientOf, whenGone } from './in-turn.ts'
import { ageHeaders, lastingHeaders } from './provenance-headers.ts'
import { type AskedFormat, formatHeaders } from './send-answer.ts'
import { ofUnsaidLength } from './unsaid-length.ts'

/** read ahead of the client */
const READ_BYTES = 256 * 1024

/** Why a live stream has no such limit. */
export const NOT_FOLLOWED = "'all' is for exports, not for live streams; give a number"

export interface ExportParts extends AskParts {
  readonly exports: { readonly gates: ExportGates; readonly limits: ExportLimits }
  readonly emit: Emit
}

/** An export whose JSON also says how it came about. */
export interface ExportQuestion extends Question {
  readonly explain?: boolean
}

/** @throws as `askView`; QueryError for an explanation in another format; ExportTooLargeError, TooManyExportsError, NeedsBackfillError */
export async function exportAnswer(
  parts: ExportParts,
  question: ExportQuestion,
  as: AskedFormat,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (question.explain && as.format.name !== 'json') throw new QueryError('explain', ONLY_JSON)
  if (request.method === 'HEAD') {
    reply.headers({ ...formatHeaders(question.query, as.format), 'cache-control': 'no-store' })
    return reply.send(ofUnsaidLength())
  }
  const { gates, limits } = parts.exports
  const client = clientOf(request)
  const gone = whenGone(reply)
  const [written, sent] = [Promise.withResolvers<ExportFile>(), Promise.withResolvers<void>()]
  reply.raw.once('close', sent.resolve)
  // The turn ends when the rows are written, the place when the client has everything, or is gone.
  const inTurn = limited(limits.exportMsMax, gone, (signal) => {
    void gates.places
      .run(client, signal, async () => {
        written.resolve(await gates.turns.run(client, signal, () => writtenFile(parts, question, as, signal)))
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
  limitSending(parts, question, reply)
  return sendFile(file, question, as, reply)
}

/** Who reads too slowly is disconnected: the place is wanted by others, and the file takes space. */
function limitSending({ exports, emit }: ExportParts, { query }: Question, { raw }: FastifyReply): void {
  const { exportStalledMsMax, exportSendMsMax } = exports.limits
  const giveUp = (why: string): void => {
    const message = `export of ${query.dataset}, view '${query.view}': the client ${why}; it was disconnected`
    emit({ name: 'export-given-up', level: 'warn', dataset: query.dataset, message })
    raw.destroy()
  }
  raw.setTimeout(exportStalledMsMax, () => giveUp(`took nothing for exportStalledMsMax = ${exportStalledMsMax} ms`))
  const slow = (): void => giveUp(`had not taken everything after exportSendMsMax = ${exportSendMsMax} ms`)
  const timer = setTimeout(slow, exportSendMsMax)
  raw.once('close', () => clearTimeout(timer))
}

async function writtenFile(
  parts: ExportParts,
  { target, query, atLeast, required, explain = false }: ExportQuestion,
  { format }: AskedFormat,
  signal: AbortSignal,
): Promise<ExportFile> {
  const { scratchFolder, limits, exports } = parts
  const { live } = target
  const wait = atLeast === null ? null : { position: atLeast, waitMsMax: limits.waitMsMax }
  const clock = new StepClock()
  if (live !== undefined && wait !== null) await live.reach(live.asked(query), wait, signal)
  if (wait !== null) clock.over('wait for the position')
  const write =
    (folder: string): RowsWork<ExportFile> =>
    async (rows, connection) => {
      const { meta } = rows
      assertRequired(required, meta, meta.liveMissing)
      if (wait !== null && !isReached(wait.position, meta.position))
        throw new PositionNotReachedError(wait.position, meta.position, wait.waitMsMax)
      const { exportBytesMax: bytesMax } = exports.limits
      const metaJson = JSON.stringify(shownMeta({ meta }))
      clock.over('states, range and totals')
      const file = await writeExport(rows, connection, { format, folder, bytesMax, metaJson })
      clock.over('merge, order, enrich and encode, to a file')
      return explain ? explained(file, rows, viewsOf(planFor(target.dataset, query)), clock) : file
    }
  return inExportPlace({ beside: target.engine, scratchFolder, ...exports.limits }, (place) =>
    live === undefined
      ? withEveryRow(target, query, place, { signal }, write(place.folder))
      : live.everyRow(live.asked(query), place, signal, write(place.folder)),
  )
}

/** The JSON file, with how it came about behind the provenance. */
function explained(
  file: ExportFile,
  { meta, snapshot }: Pick<EveryRow, 'meta' | 'snapshot'>,
  stored: ExplainedAnswer['stored'],
  { steps }: StepClock,
): ExportFile {
  const answer = {
    source: 'computed',
    way: 'export',
    engine: null,
    snapshot,
    meta: shownMeta({ meta }),
    stored,
    steps,
  } as const
  const explanation = explanationOf(answer, Date.now())
  const shown = { ...explanation, advice: explanation.advice.map(withoutPaths) }
  return { ...file, after: `${file.after.slice(0, -1)},"explain":${JSON.stringify(shown)}}` }
}

/** A generator that was never begun closes nothing: who is gone before the first byte leaves the file to this. */
function sendFile(
  file: ExportFile,
  { query }: Question,
  { format, bom }: AskedFormat,
  reply: FastifyReply,
): FastifyReply {
  const { length, pieces } = exportBytes(file, { bom: bom && format.name === 'csv' })
  reply.headers({
    ...formatHeaders(query, format),
    ...lastingHeaders(file.meta),
    ...ageHeaders(file.meta),
    'cache-control': 'no-store',
    'content-length': length,
  })
  reply.raw.once('close', () => void file.handle.close().catch(() => {}))
  return reply.send(Readable.from(pieces, { objectMode: false, highWaterMark: READ_BYTES }))
}
