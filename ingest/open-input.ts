/** Opens what a path names: standard input, a file, or a pipe, which can have no writer yet. */
import { closeSync, constants, createReadStream, openSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { parquetLines } from './formats/parquet-lines.ts'

const CHUNK_BYTES = 256 * 1024

export interface OpenedInput {
  readonly stream: Readable
  /** whether it can be read again, unlike a pipe */
  readonly isFile: boolean
  /** null: unknown */
  readonly bytesTotal: number | null
  /** whether it gives the rows of a table, one line each */
  readonly isTable: boolean
}

/** @param path `-`: standard input. @throws if it cannot be opened; the stream of a file can emit the error instead */
export async function openInput(path: string, stdin: Readable = process.stdin): Promise<OpenedInput> {
  const pipe = { isFile: false, bytesTotal: null, isTable: false }
  if (path === '-') return { stream: stdin, ...pipe }
  const file = await stat(path)
  if (file.isFIFO()) return { stream: openPipe(path), ...pipe }
  // What the lines of a table take as JSON is not known before.
  if (file.isFile() && (await holdsParquet(path)))
    return { stream: parquetLines(resolve(path)), isFile: true, bytesTotal: null, isTable: true }
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES })
  return { stream, isFile: file.isFile(), bytesTotal: file.isFile() ? file.size : null, isTable: false }
}

/** As a file, it would block a thread until a writer comes, and the process could not end before. */
function openPipe(path: string): Readable {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    return new Socket({ fd: descriptor, readable: true, writable: false })
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
}

async function holdsParquet(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0)
    return buffer.toString('latin1', 0, bytesRead) === 'PAR1'
  } finally {
    await file.close()
  }
}
