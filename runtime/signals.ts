/** Ctrl-C and SIGTERM: the first asks to stop, a later one ends the process at once. */

/** npm and timeout pass a signal on that the process has already: what comes this soon after the first is the same one. */
const SAME_SIGNAL_MS = 500

/** Aborts at the first signal; `dispose` gives the signals back. */
export function stopSignal(onFirst: () => void = () => {}): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  let firstMs = 0
  const listener = (): void => {
    if (controller.signal.aborted) {
      // Not process.exit: that ends threads while their engine is at work. Everything here survives a kill.
      if (performance.now() - firstMs > SAME_SIGNAL_MS) process.kill(process.pid, 'SIGKILL')
      return
    }
    firstMs = performance.now()
    onFirst()
    controller.abort()
  }
  process.on('SIGINT', listener)
  process.on('SIGTERM', listener)
  return {
    signal: controller.signal,
    dispose: () => {
      process.off('SIGINT', listener)
      process.off('SIGTERM', listener)
    },
  }
}

/** what a client's library may leave open when everything of ours is closed: it gets this long to go by itself */
const LEFTOVER_MS_MAX = 5_000

/**
 * Ends this thread (the process, on its main thread) although something keeps it alive: a socket that a client's library forgot. Only for
 * when all work is done: an engine at work would take the process with it. Where nothing is left over, the end comes by itself, before.
 */
export function endAnyway(afterMs = LEFTOVER_MS_MAX): void {
  setTimeout(() => process.exit(), afterMs).unref()
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
