/** Ctrl-C and SIGTERM: the first one requests a stop, a later one ends the process immediately. */

/** npm and timeout forward a signal that the process has already received: a second one within this time is the same signal. */
const SAME_SIGNAL_MS = 500

/** Aborts at the first signal; `dispose` restores the default handling. */
export function stopSignal(onFirst: () => void = () => {}): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  let firstMs = 0
  const listener = (): void => {
    if (controller.signal.aborted) {
      // Not process.exit, which would end threads while their engine is running. All durable state survives a kill.
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

/** time for handles that a client library left open to close by themselves */
const LEFTOVER_MS_MAX = 5_000

/**
 * Ends this thread (on the main thread: the process) even if a socket that a client library left open keeps it alive. Only for use
 * when all work is done, because a running engine would crash the process. If nothing is left open, the thread has ended before.
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
