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

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
