/**
 * An export: all rows of an answer, in one format, at one position. They are written to a file of bounded size first, so that the engine
 * is done before the client is, a slow client holds no states, and an error is a problem document and not half an answer. The file has no name
 * any more when it is sent: whatever happens then, its space is free afterwards.
 */
import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { AnswerMeta } from '../answers/answer-meta.ts'
import type { EveryRow } from '../answers/every-row.ts'
import { ExportTooLargeError } from '../answers/query-error.ts'
import type { AnswerFormat, Framed } from './answer-format.ts'
import { scratchFile } from './scratch-files.ts'

/** how often the size of a file that is being written is looked at */
const LOOK_EVERY_MS = 100

export interface ExportFile extends Framed {
  /** to be closed by who sends it */
  readonly handle: FileHandle
  readonly bytes: number
  readonly meta: AnswerMeta
}

export interface ExportOptions {
  readonly format: AnswerFormat
  /** the file's, until it is opened */
  readonly folder: string
  readonly bytesMax: number
  /** the provenance as clients see it */
  readonly metaJson: string
  /** called now and then with the size of the file so far */
  readonly grown?: (bytes: number) => void
}

/** @throws ExportTooLargeError, EngineMemoryError */
export async function writeExport(
  rows: EveryRow,
  connection: EngineConnection,
  { format, folder, bytesMax, metaJson, grown = () => {} }: ExportOptions,
): Promise<ExportFile> {
  const file = scratchFile(folder, format.extension)
  const size = watchSize(file, bytesMax, { grown, stopWriting: () => connection.stop() })
  try {
    const framed = await format.write({ ...rows, metaJson, connection }, file)
    size.assert()
    const handle = await open(file)
    const { size: bytes } = await handle.stat()
    if (bytes > bytesMax) {
      await handle.close()
      throw new ExportTooLargeError('exportBytesMax', bytesMax)
    }
    return { ...framed, handle, bytes, meta: rows.meta }
  } catch (error) {
    size.assert()
    throw error
  } finally {
    size.stop()
    await rm(file, { force: true })
  }
}

interface SizeListener {
  readonly grown: (bytes: number) => void
  readonly stopWriting: () => void
}

function watchSize(
  file: string,
  bytesMax: number,
  { grown, stopWriting }: SizeListener,
): { assert(): void; stop(): void } {
  let isTooLarge = false
  const look = async (): Promise<void> => {
    const bytes = await stat(file).then(
      ({ size }) => size,
      () => 0,
    )
    if (bytes <= bytesMax) return grown(bytes)
    isTooLarge = true
    stopWriting()
  }
  const timer = setInterval(() => void look(), LOOK_EVERY_MS)
  return {
    assert: () => {
      if (isTooLarge) throw new ExportTooLargeError('exportBytesMax', bytesMax)
    },
    stop: () => clearInterval(timer),
  }
}
