/** Opens what a path names: a file, or a pipe, which can have no writer yet. */
import { closeSync, constants, createReadStream, openSync, type Stats } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'

const CHUNK_BYTES = 256 * 1024

/** @param file what `stat` says about it. @throws if a pipe cannot be opened; a file's stream emits the error */
export function openInput(path: string, file: Stats): Readable {
  if (!file.isFIFO()) return createReadStream(path, { highWaterMark: CHUNK_BYTES })
  // As a file, it would block a thread until a writer comes, and the process could not end before.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    return new Socket({ fd: descriptor, readable: true, writable: false })
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
}
