/** Temporary files of answers: in the process's scratch folder, which is removed with the process, and swept at the next start after a crash. */
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Runs the work with the path of a new file, which is removed afterwards, whatever happens. */
export async function withScratchFile<T>(
  folder: string,
  extension: string,
  work: (file: string) => Promise<T>,
): Promise<T> {
  const file = scratchFile(folder, extension)
  try {
    return await work(file)
  } finally {
    await rm(file, { force: true })
  }
}

export function scratchFile(folder: string, extension: string): string {
  return join(folder, `answer-${randomUUID()}.${extension}`)
}
