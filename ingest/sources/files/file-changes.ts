/** Tells when something changed in the folders of files: at once where the system reports it, and otherwise after a while. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FSWatcher } from 'chokidar'
import { watchedFolder } from './file-list.ts'

/** Network file systems report nothing. */
const LOOK_EVERY_MS = 1_000

export class FileChanges {
  readonly #watchers: readonly FSWatcher[]
  #changed = Promise.withResolvers<void>()

  static async open(paths: readonly string[]): Promise<FileChanges> {
    const { watch } = await import('chokidar')
    const folders = await Promise.all(paths.map(watchedFolder))
    return new FileChanges(
      folders.map(({ folder, depth }) =>
        watch(folder, { depth, ignoreInitial: true, ignored: /[\\/](node_modules|\.git)([\\/]|$)/ }),
      ),
    )
  }

  private constructor(watchers: readonly FSWatcher[]) {
    this.#watchers = watchers
    for (const watcher of watchers) {
      watcher.on('all', () => this.#changed.resolve())
      // What cannot be watched is still looked at.
      watcher.on('error', () => {})
    }
  }

  /** Resolves when something changed since it resolved last, after a second, or on the signal. */
  async next(signal: AbortSignal): Promise<void> {
    const over = new AbortController()
    const either = AbortSignal.any([signal, over.signal])
    const waited = sleep(LOOK_EVERY_MS, undefined, { signal: either }).catch(() => {})
    await Promise.race([this.#changed.promise, waited])
    over.abort()
    this.#changed = Promise.withResolvers<void>()
  }

  async close(): Promise<void> {
    await Promise.all(this.#watchers.map((watcher) => watcher.close()))
  }
}
