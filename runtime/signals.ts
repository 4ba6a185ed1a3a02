/** Ctrl-C and SIGTERM: the first asks to stop, the second ends the process at once. */
import { EXIT_CODES } from './exit-codes.ts'

/** Aborts at the first signal; `dispose` gives the signals back. */
export function stopSignal(onFirst: () => void = () => {}): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  const listener = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_CODES.interrupted.code)
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
