/**
 * Source: files that paths, folders or patterns name. How far each was read is in the cursor, so a restart goes on behind the last record in
 * the log. With `follow` it then waits for new files and for what is appended to files.
 */
import type { EventSource, ReadOptions, SourceBatch, SourceCursor } from '../event-source.ts'
import { FileChanges } from './file-changes.ts'
import type { FilesSourceOptions } from './files-options.ts'
import { FilesRun } from './files-run.ts'

export class FilesSource implements EventSource {
  readonly resumption = 'exact'
  readonly #options: FilesSourceOptions

  constructor(options: FilesSourceOptions) {
    this.#options = options
  }

  async *read(from: SourceCursor | null, options: ReadOptions): AsyncGenerator<SourceBatch> {
    const { paths, follow, onCaughtUp } = this.#options
    const changes = follow ? await FileChanges.open(paths) : null
    const run = new FilesRun(this.#options, from, options)
    options.watch.connected()
    try {
      while (!options.signal.aborted) {
        yield* run.round()
        if (options.signal.aborted) return
        onCaughtUp?.()
        if (changes === null) return await aborted(options.signal)
        await changes.next(options.signal)
      }
    } finally {
      await Promise.all([run.close(), changes?.close()])
    }
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted)
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
