/** `watershed query --all`: every row of an answer, computed and written as an export over HTTP is, with a progress bar for who watches. */
import type { AnswerMeta } from '#serving/answers/answer-meta.ts'
import { type RowsWork, withEveryRow } from '#serving/answers/every-row.ts'
import { ExportTooLargeError, QueryTimeoutError } from '#serving/answers/query-error.ts'
import { limited } from '#serving/answers/time-limit.ts'
import { exportBytes } from '#serving/formats/export-bytes.ts'
import { writeExport } from '#serving/formats/export-file.ts'
import { inExportPlace } from '#serving/formats/export-place.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { type AskedQuestion, assertRequired } from './asked-question.ts'
import { askUpToDate, logEnd, sayBehind } from './asked-up-to-date.ts'
import { type SharedOptions, withWorkspace } from './command-options.ts'
import { CommandError } from './exit-codes.ts'
import { exportBar } from './export-progress.ts'
import { say } from './output.ts'
import { removedText } from './removed-text.ts'
import type { Workspace } from './workspace.ts'
import { type WrittenAs, writeOut } from './written-answer.ts'

interface ExportOptions extends SharedOptions {
  readonly catchUp: boolean
  readonly wait?: boolean
  readonly explain?: boolean
}

export async function exportRows(
  dataset: string,
  question: AskedQuestion,
  as: WrittenAs | null,
  options: ExportOptions,
): Promise<void> {
  if (as === null) throw new CommandError('usage', 'all rows are not for a table; name a format with --format')
  if (options.explain) throw new CommandError('usage', '--explain explains an answer with a limit; leave out --all')
  const exporting = async (workspace: Workspace): Promise<void> => {
    const open = await workspace.dataset(dataset, 'late')
    const position = options.wait ? await logEnd(open) : question.atLeast(open)
    const look = async (): Promise<{ readonly meta: AnswerMeta }> => ({ meta: await metaOf(workspace, open, question) })
    const { upToDate } = await askUpToDate(workspace, open, look, { position, catchUp: options.catchUp })
    const { meta, bytes } = await written(workspace, open, question, as)
    if (meta.removed !== null) say(removedText(meta.removed))
    say(`${bytes} bytes; generation ${meta.generation?.id ?? 'none'}, as of ${meta.asOf ?? 'never'}`)
    sayBehind(meta, upToDate)
  }
  await withWorkspace(options, 'serve', exporting, { dataset })
}

/** What all rows would count, without computing them. */
function metaOf(workspace: Workspace, open: OpenDataset, question: AskedQuestion): Promise<AnswerMeta> {
  return everyRow(workspace, open, question, async ({ meta }) => meta)
}

async function written(
  workspace: Workspace,
  open: OpenDataset,
  question: AskedQuestion,
  { format, file, bom }: WrittenAs,
): Promise<{ readonly meta: AnswerMeta; readonly bytes: number }> {
  const { exportBytesMax: bytesMax } = workspace.configuration
  const bar = await exportBar()
  try {
    const made = await everyRow(workspace, open, question, async (rows, connection, folder) => {
      assertRequired(question.required, rows.meta)
      const metaJson = JSON.stringify(rows.meta)
      return writeExport(rows, connection, { format, folder, bytesMax, metaJson, grown: bar.computed })
    })
    const { length, pieces } = exportBytes(made, { bom: bom && format.name === 'csv' })
    await writeOut(pieces, { file }, (bytes) => bar.written(bytes, length))
    return { meta: made.meta, bytes: length }
  } finally {
    bar.stop()
  }
}

type InFolder<T> = (...work: [...Parameters<RowsWork<T>>, folder: string]) => Promise<T>

/** @throws ExportTooLargeError after `exportMsMax`, and as `withEveryRow` */
async function everyRow<T>(
  { configuration, engine, scratchFolder }: Workspace,
  open: OpenDataset,
  { query }: AskedQuestion,
  work: InFolder<T>,
): Promise<T> {
  const { exportMsMax, exportMemoryMb, exportThreads } = configuration
  const place = { beside: engine, scratchFolder, exportMemoryMb, exportThreads }
  try {
    return await limited(exportMsMax, undefined, (signal) =>
      inExportPlace(place, ({ engine, folder }) =>
        withEveryRow(open, query, { engine }, { signal }, (rows, connection) => work(rows, connection, folder)),
      ),
    )
  } catch (error) {
    throw error instanceof QueryTimeoutError ? new ExportTooLargeError('exportMsMax', exportMsMax) : error
  }
}
